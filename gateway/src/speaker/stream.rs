//! Requests of one tenant, as frames that build on each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tracezip::{Acknowledgement, StreamId};

use super::coder::{Coder, Number};
use super::{Carrier, Failure, Heard, Memory, Negotiation};

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
    /// Nowhere: the probe was turned away.
    Nowhere,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent<D> {
    pub(crate) delivery: D,
    pub(crate) route: Route,
    /// A frame of it got no answer, or was answered by lost state: it may have been delivered all the same, perhaps
    /// by a receiver that is no more.
    pub(crate) doubtful: bool,
}

/// A stream, and what it did so far.
#[derive(Debug)]
pub(crate) struct Stream {
    coder: Mutex<Coder>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    probes: AtomicU64,
    frames: AtomicU64,
    self_contained: AtomicU64,
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
    pub(crate) self_contained: u64,
    pub(crate) resent: u64,
    pub(crate) frame_bytes: u64,
    pub(crate) framed_bytes: u64,
    pub(crate) state_losses: u64,
}

/// A frame without an answer. Dropped, it is given up.
struct Pending<'a> {
    stream: &'a Stream,
    number: Number,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.stream.lock().give_up(self.number);
    }
}

/// Waiting for an answer. Dropped before it has ended, it was cut off: the sender went away.
struct Waiting<'a> {
    negotiation: &'a Negotiation,
    cut_off: Option<fn(&Negotiation)>,
}

impl<'a> Waiting<'a> {
    fn new(negotiation: &'a Negotiation, cut_off: fn(&Negotiation)) -> Self {
        Self {
            negotiation,
            cut_off: Some(cut_off),
        }
    }

    fn ended(mut self) {
        self.cut_off = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(cut_off) = self.cut_off {
            cut_off(self.negotiation);
        }
    }
}

impl Stream {
    /// A stream of this id, which must be random.
    pub(crate) fn new(id: StreamId) -> Self {
        Self {
            coder: Mutex::new(Coder::new(id)),
            counts: Counts::default(),
        }
    }

    /// A coder is as good as before if one call of it panicked: what it says next is checked by its hash.
    fn lock(&self) -> MutexGuard<'_, Coder> {
        self.coder.lock().unwrap_or_else(PoisonError::into_inner)
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
            self_contained: take(&self.counts.self_contained),
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
    ) -> Sent<C::Delivery> {
        let mut doubtful = false;
        let outcome = self
            .try_frames(negotiation, carrier, request, &mut doubtful)
            .await;
        let (delivery, route) = match outcome {
            Ok(done) => done,
            Err(route) => (carrier.otlp().await, route),
        };
        Sent {
            delivery,
            route,
            doubtful,
        }
    }

    /// The error is why the request has to go as OTLP.
    async fn try_frames<C: Carrier>(
        &self,
        negotiation: &Negotiation,
        carrier: &C,
        request: &[u8],
        doubtful: &mut bool,
    ) -> Result<(C::Delivery, Route), Route> {
        match negotiation.recall(Instant::now()) {
            Memory::Speaks => {}
            Memory::NotUntil(_) => return Err(Route::NotSpoken),
            Memory::Unknown => match self.probe(negotiation, carrier).await {
                Heard::Answered { .. } => negotiation.speaks(),
                Heard::NotSpoken { .. } | Heard::Refused { .. } | Heard::StateLost => {
                    negotiation.does_not(Instant::now());
                    return Err(Route::NotSpoken);
                }
                Heard::Failed { delivery, how } => {
                    let as_otlp = match how {
                        Failure::TurnedAway => false,
                        Failure::Unclear => {
                            negotiation.unclear(Instant::now());
                            true
                        }
                        // There are servers that break off, or never answer, what they do not understand.
                        Failure::Silent | Failure::Broken => {
                            negotiation.did_not_answer(Instant::now())
                        }
                    };
                    if as_otlp {
                        return Err(Route::NotSpoken);
                    }
                    return Ok((delivery, Route::Nowhere));
                }
            },
        }
        for _ in 0..ENCODINGS {
            let waiting = Waiting::new(negotiation, Negotiation::could_not_read);
            let heard = self.send(carrier, request, doubtful).await;
            waiting.ended();
            match heard {
                Heard::Answered {
                    acknowledgement:
                        Some(Acknowledgement {
                            state_lost: true, ..
                        }),
                    ..
                } => {
                    // Somebody in between may have sent the frame twice, and this is the second answer.
                    *doubtful = true;
                    add(&self.counts.state_losses, 1);
                }
                Heard::Answered { delivery, .. } => {
                    negotiation.could_read();
                    return Ok((delivery, Route::Tracezip));
                }
                Heard::Failed { delivery, how } => {
                    if how != Failure::TurnedAway {
                        negotiation.could_not_read();
                    }
                    return Ok((delivery, Route::Tracezip));
                }
                Heard::NotSpoken { taken } => {
                    // Whoever said so may have understood it, and the answer was cut out on the way.
                    *doubtful |= taken;
                    negotiation.does_not(Instant::now());
                    return Err(Route::NotSpoken);
                }
                Heard::StateLost => {
                    *doubtful = true;
                    add(&self.counts.state_losses, 1);
                }
                Heard::Refused { doubtful: failed } => {
                    *doubtful |= failed;
                    negotiation.could_not_read();
                    break;
                }
            }
        }
        Err(Route::Refused)
    }

    async fn probe<C: Carrier>(
        &self,
        negotiation: &Negotiation,
        carrier: &C,
    ) -> Heard<C::Delivery> {
        let mut frame = Vec::new();
        tracezip::put_probe(&mut frame);
        add(&self.counts.probes, 1);
        let waiting = Waiting::new(negotiation, |negotiation| {
            negotiation.did_not_answer(Instant::now());
        });
        let heard = carrier.probe(frame.into()).await;
        waiting.ended();
        heard
    }

    /// Encodes the request and sends the frame, twice if no answer comes.
    async fn send<C: Carrier>(
        &self,
        carrier: &C,
        request: &[u8],
        doubtful: &mut bool,
    ) -> Heard<C::Delivery> {
        let (frame, pending) = self.encode(request);
        let mut sendings = 1;
        loop {
            match carrier.frame(frame.clone()).await {
                Heard::Failed {
                    how: Failure::Broken,
                    ..
                } if sendings < SENDINGS => {
                    sendings += 1;
                    *doubtful = true;
                    add(&self.counts.resent, 1);
                }
                heard => {
                    match &heard {
                        // What is acknowledged is not given up any more.
                        Heard::Answered {
                            acknowledgement: Some(answer),
                            ..
                        } => self.lock().acknowledge(answer, Instant::now()),
                        Heard::StateLost => self.lock().start_over(pending.number, Instant::now()),
                        _ => {}
                    }
                    drop(pending);
                    return heard;
                }
            }
        }
    }

    fn encode(&self, request: &[u8]) -> (Bytes, Pending<'_>) {
        let mut coder = self.lock();
        let made = coder.encode(request, Instant::now());
        let alone = coder.is_self_contained();
        drop(coder);
        add(&self.counts.frames, 1);
        add(&self.counts.self_contained, u64::from(alone));
        add(&self.counts.frame_bytes, made.frame.len() as u64);
        add(&self.counts.framed_bytes, request.len() as u64);
        let pending = Pending {
            stream: self,
            number: made.number,
        };
        (made.frame.into(), pending)
    }
}

fn add(count: &AtomicU64, amount: u64) {
    count.fetch_add(amount, Ordering::Relaxed);
}
