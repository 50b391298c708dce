//! Frames of many streams to requests.

use hashbrown::HashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::RandomState;

use crate::ack::Acknowledgement;
use crate::error::{DecodeError, Result};
use crate::frame::{self, Frame, Head, StreamId, StreamName};
use crate::limits::Limits;
use crate::stream::{Stream, Workshop};

/// What a frame was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded {
    /// What to answer; nothing to a self-contained frame.
    pub answer: Option<Acknowledgement>,
    /// A frame with this number was decoded before: the sender did not learn of it, and sends its request again.
    pub repeated: bool,
}

#[derive(Debug)]
struct Held {
    principal: u64,
    id: StreamId,
    /// What its principal calls it.
    handle: u32,
    stream: Stream,
    /// When it was used last, in frames.
    used: u64,
    /// Bytes that it counts for in the total.
    size: usize,
    seen: Seen,
}

/// Numbers of frames that were decoded: the highest, and which of those before it.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    highest: u64,
    before: u128,
}

impl Seen {
    /// Whether a number was taken down; one that is too far back was not, as far as is known.
    const fn has(&self, sequence: u64) -> bool {
        match self.highest.checked_sub(sequence) {
            None => false,
            Some(0) => true,
            Some(back) => back <= 128 && self.before & (1 << (back - 1)) != 0,
        }
    }

    /// Takes a number down; says whether it was there. One that is too far back is not.
    fn insert(&mut self, sequence: u64) -> bool {
        if sequence > self.highest {
            let step = sequence - self.highest;
            // The highest so far becomes one of those before.
            self.before = self.before.checked_shl(step as u32).unwrap_or(0);
            if step <= 128 && self.highest > 0 {
                self.before |= 1 << (step - 1);
            }
            if step > 128 {
                self.before = 0;
            }
            self.highest = sequence;
            return false;
        }
        let back = self.highest - sequence;
        if back == 0 {
            return true;
        }
        if back > 128 {
            return false;
        }
        let bit = 1 << (back - 1);
        let seen = self.before & bit != 0;
        self.before |= bit;
        seen
    }
}

/// What a principal calls its streams. Handles are each principal's own: how long they are, which is how long frames
/// are, must not tell how many streams others have.
#[derive(Debug, Default)]
struct Handles {
    /// Places in `held`, by handle.
    places: Vec<Option<u32>>,
    free: Vec<u32>,
}

impl Handles {
    fn name(&mut self, place: u32) -> u32 {
        if let Some(handle) = self.free.pop() {
            self.places[handle as usize] = Some(place);
            return handle;
        }
        self.places.push(Some(place));
        (self.places.len() - 1) as u32
    }

    fn forget(&mut self, handle: u32) {
        self.places[handle as usize] = None;
        self.free.push(handle);
    }

    fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }
}

/// Decodes the frames of many senders.
///
/// ```
/// use tracezip::{Decoder, Encoder, Limits};
///
/// let mut encoder = Encoder::new([7; 16]);
/// let mut decoder = Decoder::new(42, Limits::default());
/// let (mut frame, mut request) = (Vec::new(), Vec::new());
/// encoder.encode(b"any bytes", &mut frame);
/// let decoded = decoder.decode(0, &frame, &mut request)?;
/// assert_eq!(request, b"any bytes");
/// if let Some(answer) = decoded.answer {
///     encoder.acknowledge(&answer);
/// }
/// # Ok::<(), tracezip::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    instance: u64,
    limits: Limits,
    /// Places in `held`.
    streams: HashMap<(u64, StreamId), u32, RandomState>,
    /// By principal.
    handles: HashMap<u64, Handles, RandomState>,
    held: Vec<Option<Held>>,
    free: Vec<u32>,
    /// Places by when they were used, as far as is known: one for each stream, and put right when it comes up. To look
    /// through all of them for each stream that is dropped would take a time that strangers decide.
    oldest: BinaryHeap<Reverse<(u64, u32)>>,
    frames: u64,
    size: usize,
    shop: Workshop,
}

impl Decoder {
    /// A decoder that holds no state yet. `instance` must be random: by it senders tell receivers apart.
    #[must_use]
    pub fn new(instance: u64, limits: Limits) -> Self {
        Self {
            instance,
            limits,
            streams: HashMap::default(),
            handles: HashMap::default(),
            held: Vec::new(),
            free: Vec::new(),
            oldest: BinaryHeap::new(),
            frames: 0,
            size: 0,
            shop: Workshop::default(),
        }
    }

    /// Bytes of state, of all streams.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.size
    }

    /// Streams that are held.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Decodes a frame, appending to `out`. A stream belongs to the principal that it came from first: to
    /// another, its id names another stream.
    ///
    /// # Errors
    ///
    /// Every [`DecodeError`]; `out` and the decoder are then as they were. [`DecodeError::StateLost`] is to be
    /// answered by [`Decoder::refusal`].
    pub fn decode(&mut self, principal: u64, frame: &[u8], out: &mut Vec<u8>) -> Result<Decoded> {
        let frame = frame::read(frame, &self.limits)?;
        let head = frame.head;
        if head.has(frame::SELF_CONTAINED) {
            Stream::new(0).decode(&frame, &mut self.shop, out)?;
            return Ok(Decoded {
                answer: None,
                repeated: false,
            });
        }
        self.frames += 1;
        let (id, place) = self.find(principal, &head)?;
        let mut repeated = false;
        let place = match place {
            Some(place) => {
                let Some(held) = &mut self.held[place as usize] else {
                    return Err(DecodeError::StateLost);
                };
                held.used = self.frames;
                if head.epoch == held.stream.epoch() {
                    held.stream.decode(&frame, &mut self.shop, out)?;
                    repeated = held.seen.insert(head.sequence);
                } else {
                    let stream = self.first(&frame, out)?;
                    let Some(held) = &mut self.held[place as usize] else {
                        return Err(DecodeError::StateLost);
                    };
                    // A late frame of an earlier epoch does not bring that back.
                    if head.epoch > held.stream.epoch() {
                        held.stream = stream;
                        held.seen = Seen::default();
                        held.seen.insert(head.sequence);
                    }
                }
                place
            }
            None => {
                let stream = self.first(&frame, out)?;
                self.hold(principal, id, stream, head.sequence)
            }
        };
        self.charge(place);
        let held = self.held[place as usize].as_ref();
        Ok(Decoded {
            answer: Some(Acknowledgement {
                instance: self.instance,
                // What was used just now is not dropped.
                handle: held.map_or(0, |held| held.handle),
                epoch: head.epoch,
                sequence: head.sequence,
                state_lost: false,
            }),
            repeated,
        })
    }

    /// Whether this frame was decoded before, though it no longer can be, because what it builds on made room for
    /// newer things since: then what to answer to it. A late repetition must not pass for lost state.
    #[must_use]
    pub fn seen(&self, principal: u64, frame: &[u8]) -> Option<Acknowledgement> {
        let head = frame::read(frame, &self.limits).ok()?.head;
        if head.has(frame::SELF_CONTAINED) {
            return None;
        }
        let place = self.find(principal, &head).ok()?.1?;
        let held = self.held.get(place as usize)?.as_ref()?;
        let is_seen = head.epoch == held.stream.epoch() && held.seen.has(head.sequence);
        is_seen.then_some(Acknowledgement {
            instance: self.instance,
            handle: held.handle,
            epoch: head.epoch,
            sequence: head.sequence,
            state_lost: false,
        })
    }

    /// What to answer to a frame that was refused with [`DecodeError::StateLost`].
    #[must_use]
    pub fn refusal(&self, frame: &[u8]) -> Option<Acknowledgement> {
        let head = frame::read(frame, &self.limits).ok()?.head;
        Some(Acknowledgement {
            instance: self.instance,
            handle: 0,
            epoch: head.epoch,
            sequence: head.sequence,
            state_lost: true,
        })
    }

    /// Forgets the streams that no frame came of among the latest `frames` frames.
    pub fn expire(&mut self, frames: u64) {
        let oldest = self.frames.saturating_sub(frames);
        for place in 0..self.held.len() {
            if self.held[place]
                .as_ref()
                .is_some_and(|held| held.used <= oldest)
            {
                self.drop(place as u32);
            }
        }
        let held = &self.held;
        self.oldest
            .retain(|Reverse((_, place))| held[*place as usize].is_some());
    }

    /// The stream of a frame, and where it is held.
    fn find(&self, principal: u64, head: &Head) -> Result<(StreamId, Option<u32>)> {
        match head.stream {
            StreamName::Id(id) => Ok((id, self.streams.get(&(principal, id)).copied())),
            StreamName::Handle(handle, check) => {
                let handles = self.handles.get(&principal);
                handles
                    .and_then(|handles| *handles.places.get(handle as usize)?)
                    .and_then(|place| Some((place, self.held.get(place as usize)?.as_ref()?)))
                    .filter(|(_, held)| frame::check(&held.id) == check)
                    .map(|(place, held)| (held.id, Some(place)))
                    .ok_or(DecodeError::StateLost)
            }
        }
    }

    /// Decodes the first frame that comes of an epoch, which builds on nothing.
    fn first(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<Stream> {
        let mut stream = Stream::new(frame.head.epoch);
        stream.decode(frame, &mut self.shop, out)?;
        Ok(stream)
    }

    fn hold(&mut self, principal: u64, id: StreamId, stream: Stream, sequence: u64) -> u32 {
        let mut seen = Seen::default();
        seen.insert(sequence);
        let place = self.free.pop().unwrap_or_else(|| {
            self.held.push(None);
            (self.held.len() - 1) as u32
        });
        self.held[place as usize] = Some(Held {
            principal,
            id,
            handle: self.handles.entry(principal).or_default().name(place),
            stream,
            used: self.frames,
            size: 0,
            seen,
        });
        self.streams.insert((principal, id), place);
        self.oldest.push(Reverse((self.frames, place)));
        place
    }

    fn drop(&mut self, place: u32) {
        if let Some(held) = self.held[place as usize].take() {
            self.size -= held.size;
            self.streams.remove(&(held.principal, held.id));
            self.free.push(place);
            if let Some(handles) = self.handles.get_mut(&held.principal) {
                handles.forget(held.handle);
                if handles.is_empty() {
                    self.handles.remove(&held.principal);
                }
            }
        }
    }

    /// Brings the total up to date, and drops the streams that were not used for the longest time while it is
    /// over the limit.
    fn charge(&mut self, place: u32) {
        if let Some(held) = &mut self.held[place as usize] {
            let size = held.stream.size() + size_of::<Held>() + size_of::<Handles>();
            self.size = self.size - held.size + size;
            held.size = size;
        }
        while self.size > self.limits.total_state_bytes && self.streams.len() > 1 {
            let Some(Reverse((used, at))) = self.oldest.pop() else {
                return;
            };
            match &self.held[at as usize] {
                Some(held) if held.used != used => self.oldest.push(Reverse((held.used, at))),
                // The stream at hand, which nobody was before: there is nothing else to drop.
                _ if at == place => {
                    self.oldest.push(Reverse((used, at)));
                    return;
                }
                _ => self.drop(at),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_were_not_used_for_the_longest_time_are_dropped() {
        let mut decoder = Decoder::new(1, Limits::default().with_total_state_bytes(8_000));
        let mut used: Vec<u64> = Vec::new();
        let (mut number, mut most) = (1_u64, 0);
        for round in 0..2_000 {
            // Now and then one of those that there are, else mostly a new one.
            number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let stream = match used.get((number >> 33) as usize % 40) {
                Some(stream) if round % 3 != 0 => *stream,
                _ => number,
            };
            let (mut id, mut frame) = ([0; 16], Vec::new());
            id[..8].copy_from_slice(&stream.to_le_bytes());
            crate::Encoder::new(id).encode(b"any", &mut frame);
            assert!(decoder.decode(stream % 3, &frame, &mut Vec::new()).is_ok());
            used.retain(|other| *other != stream);
            used.push(stream);
            if round % 100 == 99 {
                decoder.expire(3);
            }
            // The latest are there, and no others.
            used.drain(..used.len() - decoder.streams());
            for stream in &used {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&stream.to_le_bytes());
                assert!(decoder.streams.contains_key(&(stream % 3, id)), "{round}");
            }
            assert_eq!(decoder.oldest.len(), decoder.streams());
            assert!(decoder.size <= 8_000);
            most = most.max(used.len());
        }
        assert!(most > 10, "{most}");
    }

    #[test]
    fn numbers_seen_are_known_as_far_as_remembered() {
        let mut seen = Seen::default();
        for sequence in [1, 2, 5, 3, 4, 140, 139, 400] {
            assert!(!seen.insert(sequence), "{sequence}");
            assert!(seen.insert(sequence), "{sequence}");
        }
        assert!(!seen.insert(399));
        assert!(!seen.insert(1), "too long ago to know");
    }
}
