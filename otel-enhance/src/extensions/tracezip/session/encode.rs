//! The codec of one destination, and when it lets its frames stand alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tracezip::{Acknowledgement, Encoder, FrameHead, Limits};

use super::super::ids::TracezipIdGenerator;

/// So many losses of state within this time make frames stand alone.
const LOSSES: usize = 3;
/// Receivers that are told apart.
const RECEIVERS: usize = 8;
const WITHIN: Duration = Duration::from_secs(60);
/// For so long; then it is tried again.
const ALONE_FOR: Duration = Duration::from_secs(600);

/// A frame that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) bytes: Bytes,
    pub(super) sequence: u64,
    pub(super) stream: u64,
    pub(super) epoch: u64,
    pub(super) fallback: bool,
}

/// The encoder, with what decides how it encodes.
#[derive(Debug)]
pub(super) struct Coder {
    encoder: Encoder,
    /// `None`: the codec's.
    level: Option<u8>,
    /// Counts the encoders.
    stream: u64,
    /// The epoch of the latest frame.
    epoch: u64,
    ids: Option<TracezipIdGenerator>,
    /// The version of the keys that the encoder has.
    keys: u64,
    losses: VecDeque<Instant>,
    /// Receivers that answered in this stream, and such that were the only ones of a stream before.
    answered: Vec<u64>,
    replaced: VecDeque<u64>,
    alone_until: Option<Instant>,
}

impl Coder {
    pub(super) fn new(ids: Option<TracezipIdGenerator>) -> Self {
        Self {
            encoder: encoder(false, None),
            level: None,
            stream: 0,
            epoch: 0,
            ids,
            keys: 0,
            losses: VecDeque::new(),
            answered: Vec::new(),
            replaced: VecDeque::new(),
            alone_until: None,
        }
    }

    #[cfg(feature = "otlp-http")]
    pub(super) fn tell_ids(&mut self, ids: TracezipIdGenerator) {
        self.ids = Some(ids);
        self.keys = 0;
    }

    /// Nothing has been encoded yet, or a new stream begins.
    pub(super) fn set_level(&mut self, level: u8) {
        self.level = Some(level);
        self.begin(self.is_self_contained());
    }

    pub(super) fn stream(&self) -> u64 {
        self.stream
    }

    pub(super) fn is_self_contained(&self) -> bool {
        self.alone_until.is_some()
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.encoder.state_bytes()
    }

    fn begin(&mut self, self_contained: bool) {
        self.encoder = encoder(self_contained, self.level);
        self.stream += 1;
        self.keys = 0;
        self.answered.clear();
        self.alone_until = self_contained.then(|| Instant::now() + ALONE_FOR);
    }

    /// Begins a new stream that goes on as this one was meant to.
    pub(super) fn start_over(&mut self) {
        let alone_until = self.alone_until;
        self.begin(alone_until.is_some());
        self.alone_until = alone_until;
    }

    pub(super) fn encode(&mut self, request: &[u8]) -> Made {
        if self
            .alone_until
            .is_some_and(|until| until <= Instant::now())
        {
            self.begin(false);
        }
        if let Some(ids) = &self.ids
            && let Some((version, keys)) = ids.keys_since(self.keys)
        {
            self.encoder.set_id_keys(&keys);
            self.keys = version;
        }
        let mut frame = Vec::with_capacity(request.len() / 4);
        let encoded = self.encoder.encode(request, &mut frame);
        if let Ok(head) = FrameHead::read(&frame, &Limits::default().with_decoded_bytes(usize::MAX))
        {
            self.epoch = head.epoch;
        }
        Made {
            bytes: frame.into(),
            sequence: encoded.sequence,
            stream: self.stream,
            epoch: self.epoch,
            fallback: encoded.fallback,
        }
    }

    pub(super) fn acknowledge(&mut self, answer: &Acknowledgement) {
        let before = self.encoder.state_losses();
        self.encoder.acknowledge(answer);
        // Of frames under way together, the first tells all.
        if self.encoder.state_losses() == before {
            if !answer.state_lost && !self.answered.contains(&answer.instance) {
                self.answered.push(answer.instance);
                self.answered.truncate(RECEIVERS);
            }
            return;
        }
        let now = Instant::now();
        self.losses.push_back(now);
        self.losses
            .retain(|loss| now.saturating_duration_since(*loss) < WITHIN);
        if self.losses.len() >= LOSSES {
            self.losses.clear();
            self.begin(true);
        } else if let Some(replaced) = self.replaced_by(answer.instance) {
            self.replaced.push_back(replaced);
            if self.replaced.len() > RECEIVERS {
                self.replaced.pop_front();
            }
            self.begin(false);
        }
    }

    /// The receiver in whose place this one seems to be: the only one that answered so far. The encoder takes them for
    /// two that take turns, and would not build on what one of them does not hold; a new stream knows nothing of the
    /// first. Where they do take turns, the first one answers again, and is believed.
    fn replaced_by(&self, instance: u64) -> Option<u64> {
        let is_back = |receiver| self.replaced.contains(&receiver);
        match self.answered[..] {
            [only] if only != instance && !is_back(instance) && !is_back(only) => Some(only),
            _ => None,
        }
    }

    /// A frame will not be answered. Numbers begin anew with each epoch.
    pub(super) fn lose(&mut self, made: &Made) {
        if (made.stream, made.epoch) == (self.stream, self.epoch) {
            self.encoder.lose(made.sequence);
        }
    }
}

/// An encoder of a new stream.
fn encoder(self_contained: bool, level: Option<u8>) -> Encoder {
    let encoder =
        Encoder::new(SmallRng::from_os_rng().random()).with_self_contained(self_contained);
    match level {
        Some(level) => encoder.with_level(level),
        None => encoder,
    }
}
