//! The encoder of a stream, and when its frames stand for themselves.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracezip::{Acknowledgement, Encoder, StreamId};

/// So many losses of state within this time, and frames stand for themselves.
const LOSSES: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);
/// For so long; then it is tried again.
const ALONE_FOR: Duration = Duration::from_secs(600);

/// A frame that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) frame: Vec<u8>,
    pub(super) number: Number,
}

/// What names a frame that may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    /// Numbers begin anew with each epoch.
    epoch: u64,
    sequence: u64,
}

#[derive(Debug)]
pub(super) struct Coder {
    encoder: Encoder,
    /// Counts the epochs, whoever began them.
    epoch: u64,
    losses: VecDeque<Instant>,
    /// Makes frames that build on nothing, until then.
    alone: Option<(Box<Encoder>, Instant)>,
}

impl Coder {
    pub(super) fn new(id: StreamId) -> Self {
        Self {
            encoder: Encoder::new(id),
            epoch: 0,
            losses: VecDeque::new(),
            alone: None,
        }
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.encoder.state_bytes()
    }

    pub(super) fn is_self_contained(&self) -> bool {
        self.alone.is_some()
    }

    pub(super) fn encode(&mut self, request: &[u8], now: Instant) -> Made {
        self.alone.take_if(|(_, until)| *until <= now);
        let mut frame = Vec::with_capacity(request.len() / 8 + 64);
        let encoder = match &mut self.alone {
            Some((alone, _)) => alone,
            None => &mut self.encoder,
        };
        let sequence = encoder.encode(request, &mut frame).sequence;
        Made {
            frame,
            number: Number {
                epoch: self.epoch,
                sequence,
            },
        }
    }

    pub(super) fn acknowledge(&mut self, answer: &Acknowledgement, now: Instant) {
        let before = self.encoder.state_losses();
        self.encoder.acknowledge(answer);
        // Of frames that are under way together, the first one tells all.
        if self.encoder.state_losses() != before {
            self.lost(now);
        }
    }

    /// The other side lost its state, and what it said of it was lost on the way.
    pub(super) fn start_over(&mut self, number: Number, now: Instant) {
        if number.epoch == self.epoch {
            self.encoder.new_epoch();
            self.lost(now);
        }
    }

    fn lost(&mut self, now: Instant) {
        self.epoch += 1;
        self.losses.push_back(now);
        self.losses
            .retain(|loss| now.saturating_duration_since(*loss) < WITHIN);
        if self.losses.len() >= LOSSES && self.alone.is_none() {
            // Frames that build on nothing name no stream.
            let alone = Encoder::new(StreamId::default()).with_self_contained(true);
            self.alone = Some((Box::new(alone), now + ALONE_FOR));
            self.losses.clear();
        }
    }

    /// A frame will not be answered any more.
    pub(super) fn give_up(&mut self, number: Number) {
        if number.epoch == self.epoch && number.sequence > 0 {
            self.encoder.lose(number.sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use tracezip::{DecodeError, Decoder, Limits};

    use super::*;

    /// Sends a request to a decoder and back; whether it was decoded.
    fn send(coder: &mut Coder, decoder: &mut Decoder, now: Instant) -> bool {
        let made = coder.encode(b"a request", now);
        let mut out = Vec::new();
        match decoder.decode(0, &made.frame, &mut out) {
            Ok(decoded) => {
                assert_eq!(out, b"a request");
                if let Some(answer) = decoded.answer {
                    coder.acknowledge(&answer, now);
                }
                true
            }
            Err(DecodeError::StateLost) => {
                let answer = decoder.refusal(&made.frame).unwrap();
                coder.acknowledge(&answer, now);
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn losses_in_a_row_make_frames_stand_alone_for_a_while() {
        let start = Instant::now();
        let mut coder = Coder::new([1; 16]);
        for loss in 0..LOSSES {
            let number = coder.encode(b"a request", start).number;
            assert!(!coder.is_self_contained(), "{loss}");
            coder.start_over(number, start + Duration::from_secs(1));
            // The same epoch is not lost twice.
            coder.start_over(number, start + Duration::from_secs(1));
        }
        assert!(coder.is_self_contained());
        for instance in 0..3 {
            let mut decoder = Decoder::new(instance, Limits::default());
            assert!(send(&mut coder, &mut decoder, start));
            assert_eq!(decoder.streams(), 0);
        }
        let later = start + ALONE_FOR + Duration::from_secs(2);
        let mut decoder = Decoder::new(9, Limits::default());
        assert!(send(&mut coder, &mut decoder, later));
        assert!(!coder.is_self_contained());
        assert_eq!(decoder.streams(), 1);
    }

    #[test]
    fn losses_far_apart_do_not() {
        let start = Instant::now();
        let mut coder = Coder::new([1; 16]);
        for loss in 0..10 {
            let now = start + 2 * WITHIN * loss;
            let number = coder.encode(b"a request", now).number;
            coder.start_over(number, now);
            assert!(!coder.is_self_contained(), "{loss}");
        }
    }
}
