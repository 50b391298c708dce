//! Requests to frames.

mod book;
mod guess;
mod matches;
mod order;
mod plan;
mod receivers;

use std::collections::VecDeque;

use crate::hash::xxh3;

use crate::ack::Acknowledgement;
use crate::coder::{Account, Accountant, Sink, Streams, Writer};
use crate::dict::Kind;
use crate::envelope::{Envelope, Item};
use crate::error::Result;
use crate::frame::{self, Head, StreamId, StreamName};
use crate::ids::IdKey;
use crate::limits::ENTRIES;
use crate::models::{KEYS, Models};
use crate::session::{Book, Buffers, Session};
use crate::shape::Parsed;
use crate::text::TextCompressor;
pub(crate) use book::ANYTHING_ID;
use book::EncoderBook;
use guess::Guesser;
use matches::Matches;
use plan::Planner;
use receivers::Receivers;

/// Messages that may be without an answer; when more are, the oldest count as lost.
const MOST_PENDING: usize = 256;
/// The longest request: places within it are 32 bits.
const LONGEST_REQUEST: usize = u32::MAX as usize / 2;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoded {
    /// The number of the message within its stream and epoch; 0 for self-contained ones.
    pub sequence: u64,
    /// Spans that were found in the request.
    pub spans: usize,
    /// Whether some part of the request, or all of it, is in the frame as it was.
    pub fallback: bool,
}

/// A message without an answer.
#[derive(Debug)]
struct Pending {
    sequence: u64,
    defined: Vec<(Kind, u16)>,
    /// What the receiver keeps, if it was asked to.
    models: Option<Box<Models>>,
}

/// Encodes the requests of one stream.
///
/// Frames build on what the receiver acknowledged and on nothing else, so that they may be lost, repeated and
/// reordered.
#[derive(Debug)]
pub struct Encoder {
    stream: StreamId,
    handle: Option<u32>,
    receivers: Receivers,
    state_losses: u64,
    epoch: u64,
    sequence: u64,
    self_contained: bool,
    keys: Vec<IdKey>,
    book: EncoderBook,
    planner: Planner,
    guesser: Guesser,
    pending: VecDeque<Pending>,
    /// What an acknowledged message left behind.
    base: Option<(u64, Box<Models>)>,
    /// What every message without a base begins with.
    fresh: Models,
    models: Box<Models>,
    #[expect(clippy::vec_box, reason = "they are handed on, and large")]
    spare: Vec<Box<Models>>,
    writer: Writer,
    buffers: Buffers,
    envelope: Envelope,
    entries: Vec<[u16; 2]>,
    parsed: Parsed,
    order: Vec<(u32, u32)>,
    matches: Matches,
    text: TextCompressor,
    seed: u64,
}

impl Encoder {
    /// An encoder of the stream with this id, which should be random.
    #[must_use]
    pub fn new(stream: StreamId) -> Self {
        let seed = {
            use std::hash::{BuildHasher, Hasher};
            std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish()
        };
        let mut planner = Planner::default();
        planner.clear(seed);
        Self {
            stream,
            handle: None,
            receivers: Receivers::default(),
            state_losses: 0,
            epoch: 0,
            sequence: 0,
            self_contained: false,
            keys: Vec::new(),
            book: EncoderBook::new(seed),
            planner,
            guesser: {
                let mut guesser = Guesser::default();
                guesser.clear(seed);
                guesser
            },
            pending: VecDeque::new(),
            base: None,
            fresh: Models::default(),
            models: Box::default(),
            spare: Vec::new(),
            writer: Writer::default(),
            buffers: Buffers::default(),
            envelope: Envelope::default(),
            entries: Vec::new(),
            parsed: Parsed::default(),
            order: Vec::new(),
            matches: Matches::default(),
            text: TextCompressor::default(),
            seed,
        }
    }

    /// Tells what the ids are made with, the likeliest key first; three at most. The receiver learns them: let
    /// frames travel by TLS only, and call this with none for frames that are kept in files or queues.
    pub fn set_id_keys(&mut self, keys: &[IdKey]) {
        self.keys = keys.iter().take(KEYS).cloned().collect();
    }

    fn key_entries(&mut self) -> Vec<u16> {
        let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(IdKey::LEN + 1));
        let mut ids = Vec::new();
        for key in &self.keys {
            bytes.clear();
            key.put(&mut bytes);
            ids.extend(self.book.entry(Kind::Key, &bytes));
        }
        ids
    }

    /// How hard the text of frames is compressed: a level of zstd's, 1 to 22, beyond which the nearest holds. What is
    /// not text, most of a frame as a rule, does not depend on it, and neither do decoders. Default: 1; 4 saves half a
    /// percent of the bytes, for up to a twentieth of the time.
    #[must_use]
    pub fn with_level(mut self, level: u8) -> Self {
        self.text = TextCompressor::at(i32::from(level.clamp(1, 22)));
        self
    }

    /// Has every frame stand for itself: for files, queues, and receivers that share no state.
    #[must_use]
    pub fn with_self_contained(mut self, self_contained: bool) -> Self {
        self.self_contained = self_contained;
        self
    }

    /// Bytes of state: entries and models that the receiver holds or will.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let kept = self.base.iter().map(|base| base.1.size());
        let pending = self
            .pending
            .iter()
            .filter_map(|pending| pending.models.as_ref());
        self.book.dict.size()
            + kept.sum::<usize>()
            + pending.map(|models| models.size()).sum::<usize>()
    }

    /// The key of an attribute, as far as it can be told from what precedes its value.
    pub(crate) fn slot_name(&self, template: u16, slot: usize) -> String {
        let Ok(template) = self.book.dict().template(template) else {
            return "?".to_owned();
        };
        template.name_before(slot)
    }

    /// Forgets all that was acknowledged: the next frame begins a new epoch.
    pub fn new_epoch(&mut self) {
        self.epoch += 1;
        self.sequence = 0;
        self.book.clear();
        self.planner.clear(self.seed);
        self.guesser.clear(self.seed);
        self.pending.clear();
        self.base = None;
    }

    /// Takes an answer of a receiver to account. With several receivers, frames build only on what all of them
    /// hold; one that did not answer for a while is forgotten.
    pub fn acknowledge(&mut self, answer: &Acknowledgement) {
        if answer.epoch != self.epoch {
            return;
        }
        let instance = self.receivers.heard(answer.instance);
        if self.receivers.changed() {
            // Numbers of receivers have changed: what they hold is learnt anew.
            self.book.forget_instances();
            self.base = None;
        }
        self.handle = (self.receivers.count() == 1).then_some(answer.handle);
        if answer.state_lost {
            self.state_losses += 1;
            self.handle = None;
            self.new_epoch();
            return;
        }
        let Some(at) = self
            .pending
            .iter()
            .position(|pending| pending.sequence == answer.sequence)
        else {
            return;
        };
        let Some(pending) = self.pending.remove(at) else {
            return;
        };
        self.book.acknowledge(instance, &pending.defined);
        let Some(models) = pending.models else {
            return;
        };
        if self.receivers.count() == 1 {
            let old = self.base.replace((pending.sequence, models));
            self.spare.extend(old.map(|old| old.1));
        }
    }

    /// How often a receiver lost the state that frames built on. A sender whose receivers do so all the time
    /// does better with self-contained frames.
    #[must_use]
    pub fn state_losses(&self) -> u64 {
        self.state_losses
    }

    /// Tells that a message will not be answered.
    pub fn lose(&mut self, sequence: u64) {
        self.pending.retain(|pending| pending.sequence != sequence);
    }

    /// Appends the frame of a request to `out`.
    pub fn encode(&mut self, request: &[u8], out: &mut Vec<u8>) -> Encoded {
        let mut writer = core::mem::take(&mut self.writer);
        let encoded = self.encode_by(&mut writer, request, out);
        self.writer = writer;
        encoded
    }

    /// Encodes, and takes what costs how much to account.
    pub(crate) fn encode_accounted(
        &mut self,
        request: &[u8],
        out: &mut Vec<u8>,
        account: &mut Account,
    ) -> Encoded {
        let mut writer = Accountant::new(core::mem::take(&mut self.writer), account);
        let encoded = self.encode_by(&mut writer, request, out);
        self.writer = writer.writer;
        encoded
    }

    fn encode_by<S: Sink>(&mut self, sink: &mut S, request: &[u8], out: &mut Vec<u8>) -> Encoded {
        let first = out.len();
        if self.self_contained || self.book.dict.size() > ENTRIES / 8 * 7 {
            self.new_epoch();
        }
        if !self.self_contained {
            self.sequence += 1;
        }
        if request.len() <= LONGEST_REQUEST
            && let Ok(encoded) = self.try_encode(sink, request, out)
            && out.len() - first < request.len() + 64
        {
            return encoded;
        }
        out.truncate(first);
        self.store(request, out);
        Encoded {
            sequence: self.sequence,
            spans: 0,
            fallback: true,
        }
    }

    fn head(&self, flags: u8, decoded_len: usize) -> Head {
        let contained = if self.self_contained {
            frame::SELF_CONTAINED
        } else {
            0
        };
        Head {
            flags: flags | contained,
            stream: match self.handle {
                Some(handle) => StreamName::Handle(handle, frame::check(&self.stream)),
                None => StreamName::Id(self.stream),
            },
            epoch: self.epoch,
            sequence: self.sequence,
            base: self.base.as_ref().map_or(0, |base| self.sequence - base.0),
            decoded_len,
        }
    }

    /// The request as it is, which takes no part in the stream's state.
    fn store(&mut self, request: &[u8], out: &mut Vec<u8>) {
        self.pending
            .retain(|pending| pending.sequence != self.sequence);
        let mut head = self.head(frame::STORED, request.len());
        let (text, flag) = self.text.compress(request);
        head.flags |= flag;
        let streams = Streams {
            symbols: &[],
            bits: &[],
            text,
        };
        frame::put(&head, &streams, request.len(), xxh3(request), out);
    }

    fn try_encode<S: Sink>(
        &mut self,
        sink: &mut S,
        request: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        self.book.begin(self.self_contained, self.receivers.bits());
        let mut fallback = self.find_leaves(request);
        let hash = xxh3(request);
        sink.writer().reset();
        self.models
            .copy_from(self.base.as_ref().map_or(&self.fresh, |base| &base.1));
        fallback |= self.entries(request);
        let keys = self.key_entries();
        order::order(&self.envelope, &self.matches, &mut self.order);
        let mut session = Session::new(
            &mut self.book,
            &mut self.models,
            &mut self.buffers,
            request,
            usize::MAX,
        );
        session.keys(sink, &keys)?;
        session.envelope(sink, &mut self.envelope, &mut self.entries)?;
        for &(group, span) in &self.order {
            let found = self.matches.get(span);
            let values = self.matches.values(found);
            let (start, end) = self.envelope.spans[span as usize];
            let odd = &request[start as usize..end as usize];
            session.span(sink, found.leaf, group as usize, odd, values)?;
        }
        let retained =
            !self.self_contained && self.pending.iter().all(|pending| pending.models.is_none());
        let mut head = self.head(if retained { frame::RETAINED } else { 0 }, request.len());
        let (symbols, bits, raw_text) = sink.writer().finish(hash);
        let (text, flag) = self.text.compress(raw_text);
        head.flags |= flag;
        let streams = Streams {
            symbols,
            bits,
            text,
        };
        let text_len = raw_text.len();
        frame::put(&head, &streams, text_len, hash, out);
        if self.book.defined.iter().any(|(kind, _)| *kind == Kind::Key) {
            sink.writer().wipe();
            self.text.wipe();
        }
        if !self.self_contained {
            self.keep(retained);
        }
        Ok(Encoded {
            sequence: self.sequence,
            spans: self.envelope.spans.len(),
            fallback,
        })
    }

    /// Remembers what the receiver will have when it acknowledges the message.
    fn keep(&mut self, retained: bool) {
        if self.pending.len() == MOST_PENDING {
            self.pending.pop_front();
        }
        let models = retained.then(|| {
            let next = self.spare.pop().unwrap_or_default();
            core::mem::replace(&mut self.models, next)
        });
        self.pending.push_back(Pending {
            sequence: self.sequence,
            defined: self.book.defined.clone(),
            models,
        });
    }

    /// Finds the entries of the shells, or makes them. Says whether something is left as it was.
    fn entries(&mut self, request: &[u8]) -> bool {
        self.entries.clear();
        let mut raw = false;
        for item in &mut self.envelope.items {
            let shell = match item {
                Item::Raw(_) => {
                    raw = true;
                    continue;
                }
                Item::Resource(shell) => shell,
            };
            let scopes = &self.envelope.scopes[shell.inner.clone()];
            let first = self.entries.len();
            for shell in core::iter::once(&*shell).chain(scopes) {
                let before = self.book.entry(Kind::Shell, &request[shell.before.clone()]);
                let after = self.book.entry(Kind::Shell, &request[shell.after.clone()]);
                if let (Some(before), Some(after)) = (before, after) {
                    self.entries.push([before, after]);
                }
            }
            if self.entries.len() - first != 1 + scopes.len() {
                // No room: the resource is written as it is.
                self.entries.truncate(first);
                *item = Item::Raw(shell.whole.clone());
                raw = true;
            }
        }
        raw
    }
}
