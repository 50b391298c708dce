//! One stream once more, each side by itself and from the first request to the last, as zstd is timed: what a side takes
//! does not depend on what the other leaves in the caches.

use std::time::Duration;

use cpu_time::ThreadTime;
use tracezip::{Acknowledgement, Decoder, Encoder};

/// What an encoder was asked and told, and what it answered.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    asked: Vec<Asked>,
    /// Frames, and which of the receivers each went to.
    frames: Vec<(usize, Vec<u8>)>,
}

#[derive(Debug)]
enum Asked {
    /// To encode the request of this number.
    Encode(usize),
    Acknowledge(Acknowledgement),
}

impl Replay {
    pub(crate) fn encoded(&mut self, request: usize, receiver: usize, frame: &[u8]) {
        self.asked.push(Asked::Encode(request));
        self.frames.push((receiver, frame.to_vec()));
    }

    pub(crate) fn acknowledged(&mut self, answer: Acknowledgement) {
        self.asked.push(Asked::Acknowledge(answer));
    }

    /// CPU time of an encoder that is as the first one was.
    pub(crate) fn encode(&self, mut encoder: Encoder, requests: &[&[u8]]) -> Duration {
        let mut frame = Vec::new();
        let start = ThreadTime::now();
        for asked in &self.asked {
            match asked {
                Asked::Encode(request) => {
                    frame.clear();
                    encoder.encode(requests[*request], &mut frame);
                }
                Asked::Acknowledge(answer) => encoder.acknowledge(answer),
            }
        }
        start.elapsed()
    }

    /// CPU time of decoders that are as the first ones were.
    pub(crate) fn decode(&self, mut decoders: Vec<Decoder>) -> Duration {
        let mut decoded = Vec::new();
        let start = ThreadTime::now();
        for (receiver, frame) in &self.frames {
            decoded.clear();
            // A frame that was refused is refused again.
            let _ = decoders[*receiver].decode(0, frame, &mut decoded);
        }
        start.elapsed()
    }
}
