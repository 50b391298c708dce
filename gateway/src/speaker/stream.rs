//! Requests of one tenant, as frames that build on each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tracezip::{Acknowledgement, Encoder, StreamId};

use super::{Carrier, Heard, Memory, Negotiation};

/// How often a request is encoded anew because the other side lost the state that it built on.
const ENCODINGS: usize = 3;
/// How often a frame is sent that gets no answer.
const SENDINGS: usize = 2;

/// The way that a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// As a frame.
    Tracezip,
    /// As OTLP, because tracezip is not spoken.
    NotSpoken,
    /// As OTLP, because the other side could make nothing of the frame.
    Refused,
    /// Nowhere: the probe failed.
    Nowhere,
}

/// A stream, and what it did so far.
#[derive(Debug)]
pub(crate) struct Stream {
    encoder: Mutex<Encoder>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    probes: AtomicU64,
    frames: AtomicU64,
    resent: AtomicU64,
    frame_bytes: AtomicU64,
    framed_bytes: AtomicU64,
    state_losses: AtomicU64,
}

/// What a stream did since this was asked last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) probes: u64,
    pub(crate) frames: u64,
    pub(crate) resent: u64,
    pub(crate) frame_bytes: u64,
    pub(crate) framed_bytes: u64,
    pub(crate) state_losses: u64,
}

/// A frame without an answer. Dropped, it is given up.
struct Pending<'a> {
    stream: &'a Stream,
    epoch: u64,
    sequence: u64,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut encoder = self.stream.lock();
        // In another epoch the number is another frame's.
        if encoder.state_losses() == self.epoch {
            encoder.lose(self.sequence);
        }
    }
}

impl Stream {
    /// A stream of this id, which must be random.
    pub(crate) fn new(id: StreamId) -> Self {
        Self {
            encoder: Mutex::new(Encoder::new(id)),
            counts: Counts::default(),
        }
    }

    /// An encoder is as good as before if one call of it panicked: what it says next is checked by its hash.
    fn lock(&self) -> MutexGuard<'_, Encoder> {
        self.encoder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of state.
    pub(crate) fn state_bytes(&self) -> usize {
        self.lock().state_bytes()
    }

    /// What it did since this was asked last.
    pub(crate) fn take_done(&self) -> Done {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Done {
            probes: take(&self.counts.probes),
            frames: take(&self.counts.frames),
            resent: take(&self.counts.resent),
            frame_bytes: take(&self.counts.frame_bytes),
            framed_bytes: take(&self.counts.framed_bytes),
            state_losses: take(&self.counts.state_losses),
        }
    }

    /// Delivers a request by a frame, or as OTLP where that cannot be.
    pub(crate) async fn deliver<C: Carrier>(
        &self,
        negotiation: &Negotiation,
        carrier: &C,
        request: &[u8],
    ) -> (C::Delivery, Route) {
        match negotiation.recall(Instant::now()) {
            Memory::Speaks => {}
            Memory::NotUntil(_) => return (carrier.otlp().await, Route::NotSpoken),
            Memory::Unknown => match self.probe(carrier).await {
                Heard::Answered { .. } => negotiation.speaks(),
                Heard::NotSpoken | Heard::Malformed => {
                    negotiation.does_not(Instant::now());
                    return (carrier.otlp().await, Route::NotSpoken);
                }
                Heard::Failed { delivery, .. } => return (delivery, Route::Nowhere),
            },
        }
        for _ in 0..ENCODINGS {
            match self.send(carrier, request).await {
                Heard::Answered {
                    acknowledgement:
                        Some(Acknowledgement {
                            state_lost: true, ..
                        }),
                    ..
                } => {
                    add(&self.counts.state_losses, 1);
                }
                Heard::Answered { delivery, .. } | Heard::Failed { delivery, .. } => {
                    return (delivery, Route::Tracezip);
                }
                Heard::NotSpoken => {
                    negotiation.does_not(Instant::now());
                    return (carrier.otlp().await, Route::NotSpoken);
                }
                Heard::Malformed => break,
            }
        }
        (carrier.otlp().await, Route::Refused)
    }

    async fn probe<C: Carrier>(&self, carrier: &C) -> Heard<C::Delivery> {
        let mut frame = Vec::new();
        tracezip::put_probe(&mut frame);
        add(&self.counts.probes, 1);
        carrier.frame(frame.into()).await
    }

    /// Encodes the request and sends the frame, twice if no answer comes.
    async fn send<C: Carrier>(&self, carrier: &C, request: &[u8]) -> Heard<C::Delivery> {
        let (frame, pending) = self.encode(request);
        let mut sendings = 1;
        loop {
            match carrier.frame(frame.clone()).await {
                Heard::Failed {
                    unanswered: true, ..
                } if sendings < SENDINGS => {
                    sendings += 1;
                    add(&self.counts.resent, 1);
                }
                heard => {
                    if let Heard::Answered {
                        acknowledgement: Some(answer),
                        ..
                    } = &heard
                    {
                        // What is acknowledged is not lost any more.
                        self.lock().acknowledge(answer);
                    }
                    drop(pending);
                    return heard;
                }
            }
        }
    }

    fn encode(&self, request: &[u8]) -> (Bytes, Pending<'_>) {
        let mut frame = Vec::new();
        let mut encoder = self.lock();
        let encoded = encoder.encode(request, &mut frame);
        let pending = Pending {
            stream: self,
            epoch: encoder.state_losses(),
            sequence: encoded.sequence,
        };
        drop(encoder);
        add(&self.counts.frames, 1);
        add(&self.counts.frame_bytes, frame.len() as u64);
        add(&self.counts.framed_bytes, request.len() as u64);
        (frame.into(), pending)
    }
}

fn add(count: &AtomicU64, amount: u64) {
    count.fetch_add(amount, Ordering::Relaxed);
}
