//! Decoders, each behind a lock: frames of one stream always meet the same.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracezip::{Acknowledgement, DecodeError, Decoder, FrameHead};

use super::delivered::{Arrival, Delivered, Key};
use super::settings::Tracezip;
use super::{field, key, refusal};
use crate::limits::Limits;
use crate::outcome::Refusal;

/// All decoders of a receiver.
pub(crate) struct Shards {
    shards: Box<[Mutex<Shard>]>,
    delivered: Delivered,
    idle_timeout: Duration,
    hash: RandomState,
    /// Where the next self-contained frame goes.
    next: AtomicU64,
    counts: Counts,
}

struct Shard {
    decoder: Decoder,
    /// Frames that came so far, and how many they were when the streams were looked through last.
    frames: u64,
    looked: (Instant, u64),
}

#[derive(Default)]
struct Counts {
    frames: AtomicU64,
    repeated: AtomicU64,
    state_losses: AtomicU64,
    refused: AtomicU64,
    frame_bytes: AtomicU64,
    decoded_bytes: AtomicU64,
}

/// Figures of a receiver's tracezip since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracezipStats {
    /// Frames decoded, probes and repetitions included.
    pub frames: u64,
    /// Frames that had been decoded before.
    pub repeated_frames: u64,
    /// Frames that built on what the receiver did not hold.
    pub state_losses: u64,
    /// Frames that could not be decoded for another reason.
    pub refused_frames: u64,
    /// Bytes of the frames decoded.
    pub frame_bytes: u64,
    /// Bytes that they decoded to.
    pub decoded_bytes: u64,
    /// Streams held at the moment.
    pub streams: usize,
    /// Bytes of their state.
    pub state_bytes: usize,
}

/// A frame, decoded.
pub(super) struct Undone {
    pub(super) body: Vec<u8>,
    /// The field that tells the sender so.
    pub(super) answer: Bytes,
    /// What names the frame among repetitions; none of a self-contained one.
    pub(super) key: Option<Key>,
    pub(super) repeated: bool,
    /// It repeats a frame, and cannot be decoded any more: what it is told if that was not delivered.
    pub(super) lost: Option<Refusal>,
}

impl Shards {
    pub(crate) fn new(settings: &Tracezip, limits: &Limits) -> Arc<Self> {
        let hash = RandomState::new();
        // By it senders tell receivers apart, and the hash's keys are random.
        let instance = hash.hash_one("instance");
        let count = settings.shards.max(1);
        let bounds = tracezip::Limits::default()
            .with_decoded_bytes(limits.max_decompressed_bytes)
            .with_total_state_bytes(settings.max_state_bytes / count);
        let shard = || {
            Mutex::new(Shard {
                decoder: Decoder::new(instance, bounds),
                frames: 0,
                looked: (Instant::now(), 0),
            })
        };
        Arc::new(Self {
            shards: (0..count).map(|_| shard()).collect(),
            delivered: Delivered::default(),
            idle_timeout: settings.idle_timeout,
            hash,
            next: AtomicU64::new(0),
            counts: Counts::default(),
        })
    }

    /// Decodes a frame of a principal.
    pub(super) fn decode(
        &self,
        principal: u64,
        frame: &[u8],
        limits: &Limits,
    ) -> Result<Undone, Refusal> {
        let bounds = tracezip::Limits::default().with_decoded_bytes(limits.max_decompressed_bytes);
        let head = match FrameHead::read(frame, &bounds) {
            Ok(head) => head,
            Err(error) => return Err(self.refused(error, None)),
        };
        let place = match head.affinity {
            Some(affinity) => self.hash.hash_one((principal, affinity)),
            None => self.next.fetch_add(1, Ordering::Relaxed),
        };
        let place = (place % self.shards.len() as u64) as usize;
        let mut body = Vec::new();
        let mut shard = lock(&self.shards[place]);
        shard.frames += u64::from(head.affinity.is_some());
        let decoded = match shard.decoder.decode(principal, frame, &mut body) {
            Ok(decoded) => decoded,
            Err(error) => {
                let lost = (error == DecodeError::StateLost)
                    .then(|| shard.decoder.refusal(frame))
                    .flatten();
                let seen = lost.as_ref().and(shard.decoder.seen(principal, frame));
                drop(shard);
                let Some(seen) = seen else {
                    return Err(self.refused(error, lost));
                };
                self.counts.repeated.fetch_add(1, Ordering::Relaxed);
                let refusal = refusal(error);
                let refusal = match &lost {
                    Some(lost) => refusal.with_answer(field(Some(lost))),
                    None => refusal,
                };
                return Ok(Undone {
                    body: Vec::new(),
                    answer: field(Some(&seen)),
                    key: Some(key(place, &seen)),
                    repeated: true,
                    lost: Some(refusal),
                });
            }
        };
        drop(shard);
        body.shrink_to_fit();
        let add = |count: &AtomicU64, value: u64| {
            count.fetch_add(value, Ordering::Relaxed);
        };
        add(&self.counts.frames, 1);
        add(&self.counts.repeated, u64::from(decoded.repeated));
        add(&self.counts.frame_bytes, frame.len() as u64);
        add(&self.counts.decoded_bytes, body.len() as u64);
        Ok(Undone {
            body,
            answer: field(decoded.answer.as_ref()),
            key: decoded.answer.map(|answer| key(place, &answer)),
            repeated: decoded.repeated,
            lost: None,
        })
    }

    fn refused(&self, error: DecodeError, lost: Option<Acknowledgement>) -> Refusal {
        let counts = &self.counts;
        let refusal = refusal(error);
        if let Some(answer) = lost {
            counts.state_losses.fetch_add(1, Ordering::Relaxed);
            return refusal.with_answer(field(Some(&answer)));
        }
        counts.refused.fetch_add(1, Ordering::Relaxed);
        refusal
    }

    /// Finds out whether a frame's spans went on before, and claims them if not.
    pub(super) async fn arrives(&self, key: Key, repeated: bool) -> Arrival<'_> {
        self.delivered.arrives(key, repeated).await
    }

    /// Drops the streams of which nothing came for long.
    pub(crate) fn sweep(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let (when, frames) = shard.looked;
            if when.elapsed() < self.idle_timeout {
                continue;
            }
            let since = shard.frames - frames;
            shard.decoder.expire(since);
            shard.looked = (Instant::now(), shard.frames);
        }
        self.delivered.forget_older_than(self.idle_timeout);
    }

    pub(crate) fn stats(&self) -> TracezipStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut stats = TracezipStats {
            frames: read(&self.counts.frames),
            repeated_frames: read(&self.counts.repeated),
            state_losses: read(&self.counts.state_losses),
            refused_frames: read(&self.counts.refused),
            frame_bytes: read(&self.counts.frame_bytes),
            decoded_bytes: read(&self.counts.decoded_bytes),
            streams: 0,
            state_bytes: 0,
        };
        for shard in &self.shards {
            let shard = lock(shard);
            stats.streams += shard.decoder.streams();
            stats.state_bytes += shard.decoder.state_bytes();
        }
        stats
    }
}

/// A decoder is as it was before a frame that failed, and no panic of ours leaves it otherwise.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks through the streams as long as the receiver lives.
pub(crate) async fn sweep_while_alive(shards: Weak<Shards>, idle_timeout: Duration) {
    let pause = (idle_timeout / 4).clamp(Duration::from_millis(10), Duration::from_secs(60));
    loop {
        tokio::time::sleep(pause).await;
        match shards.upgrade() {
            Some(shards) => shards.sweep(),
            None => return,
        }
    }
}
