//! The talk with one destination: whether it speaks tracezip, what it holds, and what to send next.
//!
//! It knows no transport. A request goes through [`Session::send`], which is given a way to send bytes and says
//! whether they were taken, refused, or are to go as OTLP.

mod batch;
mod encode;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracezip::{Acknowledgement, find_answer};

pub(crate) use batch::Batch;
use encode::Coder;

use super::ids::TracezipIdGenerator;
use super::watch::{Counts, TracezipMode, add};
use crate::export::log::{Log, ReportKind, lock};
use crate::lifecycle::{self, generation};

/// A receiver that does not speak tracezip is asked again after this time, give or take a quarter.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// One of which it is not known, because something went wrong.
const ASK_SOON: Duration = Duration::from_secs(10);
/// Frames in a row that a receiver could not read, or did not answer, after which it is asked anew.
const REFUSED_IN_A_ROW: u32 = 3;
/// Times that one request is encoded anew because state was lost.
const ENCODINGS: u32 = 4;

/// What came of sending bytes: `S` is what to hand on of a success, `F` of a failure.
pub(crate) enum Said<S, F> {
    /// A success, and its message.
    Taken { message: Bytes, whole: S },
    /// A refusal, and the message in which an answer may be.
    Refused {
        refusal: Refusal,
        message: Bytes,
        whole: F,
    },
    /// No answer came; the bytes may have arrived.
    Nothing { may_have_arrived: bool, whole: F },
}

/// What a refusal says about tracezip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not spoken there.
    NotSpoken,
    /// The bytes mean nothing there.
    Malformed,
    /// The state that the frame builds on is not known there.
    StateLost,
    /// Come again later.
    Throttled,
    /// Something else is wrong, which may pass.
    Passing,
    /// Something else is wrong for good.
    Other,
    /// The receiver failed, for good, and may have got on with it nonetheless.
    Broke,
}

/// What became of a request.
pub(crate) enum Told<S, F> {
    /// It was taken.
    Taken(S),
    /// It was not. `is_certain` if the receiver itself said so: nothing of it was delivered.
    Failed { whole: F, is_certain: bool },
    /// It is to go as OTLP. `may_have_arrived` if the frame may have been understood nonetheless.
    AsOtlp { may_have_arrived: bool },
}

/// What is known of the other side.
#[derive(Clone, Copy, Debug)]
enum Knows {
    Nothing,
    Speaks,
    DoesNot { ask_again: Instant },
}

/// Something that was sent and not answered yet. Dropped before it has ended, it was cut off by somebody's deadline.
struct UnderWay<'a> {
    session: &'a Session,
    cut_off: Option<fn(&Session)>,
}

impl<'a> UnderWay<'a> {
    fn new(session: &'a Session, cut_off: fn(&Session)) -> Self {
        Self {
            session,
            cut_off: Some(cut_off),
        }
    }

    fn ended(mut self) {
        self.cut_off = None;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(cut_off) = self.cut_off {
            cut_off(self.session);
        }
    }
}

/// Whether bytes that a session has sent ask whether tracezip is spoken, and hold nothing else.
pub(crate) fn is_probe(frame: &[u8]) -> bool {
    const LONGER: usize = 64;
    let mut probe = Vec::new();
    if frame.len() < LONGER {
        tracezip::put_probe(&mut probe);
    }
    frame == probe
}

/// One destination's talk. Requests may be under way at once.
#[derive(Debug)]
pub(crate) struct Session {
    state: Mutex<State>,
    /// Held while the receiver is being asked: one asks, the others wait.
    asking: tokio::sync::Mutex<()>,
    enabled: Arc<AtomicBool>,
    counts: Arc<Counts>,
    log: Option<Log>,
    said_not_spoken: AtomicBool,
}

#[derive(Debug)]
struct State {
    knows: Knows,
    refused_in_a_row: u32,
    coder: Coder,
    /// The process that the coder's stream belongs to.
    generation: u32,
}

impl Session {
    /// A talk with one destination. The keys of `ids` are told to it: it must be one that keeps them.
    pub(crate) fn new(
        counts: Arc<Counts>,
        ids: Option<TracezipIdGenerator>,
        enabled: Arc<AtomicBool>,
        log: Option<Log>,
    ) -> Self {
        // Without the hook a forked child would go on with its parent's stream.
        let _ = lifecycle::arm_fork();
        Self {
            state: Mutex::new(State {
                knows: Knows::Nothing,
                refused_in_a_row: 0,
                coder: Coder::new(ids),
                generation: generation(),
            }),
            asking: tokio::sync::Mutex::new(()),
            enabled,
            counts,
            log,
            said_not_spoken: AtomicBool::new(false),
        }
    }

    /// Tells the destination how to count ids, from the next frame on.
    #[cfg(feature = "otlp-http")]
    pub(super) fn tell_ids(&self, ids: TracezipIdGenerator) {
        lock(&self.state).coder.tell_ids(ids);
    }

    /// Of the text of frames, from a new stream on.
    pub(crate) fn set_level(&self, level: u8) {
        lock(&self.state).coder.set_level(level);
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Sends a request as a frame, if the receiver understands that. Called again for the same batch, it sends the
    /// same bytes again as long as these may be understood.
    pub(crate) async fn send<S, F, Fut>(
        &self,
        batch: &mut Batch,
        by: impl Fn(Bytes) -> Fut,
    ) -> Told<S, F>
    where
        Fut: Future<Output = Said<S, F>>,
    {
        const NOT_SENT: bool = false;
        if !self.enabled.load(Ordering::Relaxed) {
            self.counts.set_mode(TracezipMode::Off);
            return Told::AsOtlp {
                may_have_arrived: NOT_SENT,
            };
        }
        match self.speaks(&by).await {
            Ok(true) => {}
            Ok(false) => {
                return Told::AsOtlp {
                    may_have_arrived: NOT_SENT,
                };
            }
            Err(whole) => {
                return Told::Failed {
                    whole,
                    is_certain: true,
                };
            }
        }
        for _ in 0..ENCODINGS {
            let frame = self.frame(batch);
            let under_way = UnderWay::new(self, Session::had_no_answer);
            let said = by(frame).await;
            under_way.ended();
            match said {
                Said::Taken { message, whole } => match answer(&message) {
                    Some(answer) => {
                        self.acknowledge(batch, answer);
                        self.delivered(batch);
                        return Told::Taken(whole);
                    }
                    None => {
                        // Somebody else answers there by now, and may have thrown the frame away.
                        self.forget(Knows::Nothing);
                        return self.as_otlp(true);
                    }
                },
                Said::Refused {
                    refusal,
                    message,
                    whole,
                } => match answer(&message) {
                    Some(Some(answer)) if answer.state_lost => {
                        self.acknowledge(batch, Some(answer));
                        batch.forget_frame();
                    }
                    Some(answer) => {
                        self.acknowledge(batch, answer);
                        return Told::Failed {
                            whole,
                            is_certain: true,
                        };
                    }
                    None => match refusal {
                        Refusal::NotSpoken => {
                            self.does_not_speak();
                            return self.as_otlp(false);
                        }
                        Refusal::Malformed => {
                            self.could_not_read();
                            return self.as_otlp(false);
                        }
                        Refusal::StateLost => {
                            // The message was lost on its way, not so its meaning.
                            self.start_over();
                            batch.forget_frame();
                        }
                        // Of somebody who would have taken OTLP, perhaps: it will tell.
                        Refusal::Other | Refusal::Broke => {
                            self.could_not_read();
                            return self.as_otlp(refusal == Refusal::Broke);
                        }
                        Refusal::Throttled | Refusal::Passing => {
                            return Told::Failed {
                                whole,
                                is_certain: false,
                            };
                        }
                    },
                },
                Said::Nothing {
                    whole,
                    may_have_arrived,
                } => {
                    // There are receivers that close the connection on what they do not understand.
                    if may_have_arrived {
                        self.could_not_read();
                    }
                    return Told::Failed {
                        whole,
                        is_certain: false,
                    };
                }
            }
        }
        // The receivers change faster than they can be told.
        self.as_otlp(false)
    }

    fn as_otlp<S, F>(&self, may_have_arrived: bool) -> Told<S, F> {
        add(&self.counts.refused, 1);
        if may_have_arrived {
            self.counts.ambiguous_retry();
        }
        Told::AsOtlp { may_have_arrived }
    }

    /// Whether the other side speaks tracezip; asks it if that is not known.
    async fn speaks<S, F, Fut>(&self, by: impl Fn(Bytes) -> Fut) -> Result<bool, F>
    where
        Fut: Future<Output = Said<S, F>>,
    {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let _asking = self.asking.lock().await;
        // Another request may have asked meanwhile.
        if let Some(known) = self.known() {
            return Ok(known);
        }
        add(&self.counts.probes, 1);
        let mut probe = Vec::new();
        tracezip::put_probe(&mut probe);
        // There are receivers that never answer what they do not understand.
        let under_way = UnderWay::new(self, |session| session.ask_later(ASK_SOON));
        let said = by(probe.into()).await;
        under_way.ended();
        match said {
            Said::Taken { message, .. } => {
                let speaks = answer(&message).is_some();
                if speaks {
                    self.forget(Knows::Speaks);
                } else {
                    self.does_not_speak();
                }
                Ok(speaks)
            }
            Said::Refused { refusal, whole, .. } => match refusal {
                Refusal::Throttled => Err(whole),
                Refusal::Passing => {
                    self.ask_later(ASK_SOON);
                    Ok(false)
                }
                // Whatever else it is, OTLP will tell.
                Refusal::NotSpoken
                | Refusal::Malformed
                | Refusal::StateLost
                | Refusal::Other
                | Refusal::Broke => {
                    self.does_not_speak();
                    Ok(false)
                }
            },
            // Likewise.
            Said::Nothing {
                may_have_arrived: true,
                ..
            } => {
                self.ask_later(ASK_SOON);
                Ok(false)
            }
            Said::Nothing { whole, .. } => Err(whole),
        }
    }

    fn known(&self) -> Option<bool> {
        match lock(&self.state).knows {
            Knows::Speaks => Some(true),
            Knows::DoesNot { ask_again } if Instant::now() < ask_again => Some(false),
            Knows::DoesNot { .. } | Knows::Nothing => None,
        }
    }

    fn forget(&self, knows: Knows) {
        let mut state = lock(&self.state);
        state.knows = knows;
        state.refused_in_a_row = 0;
        self.counts.set_mode(match knows {
            Knows::Nothing => TracezipMode::Unknown,
            Knows::DoesNot { .. } => TracezipMode::Otlp,
            Knows::Speaks if state.coder.is_self_contained() => TracezipMode::SelfContained,
            Knows::Speaks => TracezipMode::Stateful,
        });
    }

    fn does_not_speak(&self) {
        self.ask_later(ASK_AGAIN);
        if let Some(log) = &self.log
            && !self.said_not_spoken.swap(true, Ordering::Relaxed)
        {
            log.report(
                ReportKind::Notice,
                "the receiver does not speak tracezip: spans go as OTLP, and it is asked again about once a minute",
            );
        }
    }

    fn ask_later(&self, wait: Duration) {
        self.forget(Knows::DoesNot {
            ask_again: Instant::now() + jittered(wait),
        });
    }

    /// A frame was waited for in vain: who sits there by now may be somebody who swallows it, and is asked.
    fn had_no_answer(&self) {
        let knows = lock(&self.state).knows;
        if matches!(knows, Knows::Speaks) {
            self.forget(Knows::Nothing);
        }
    }

    /// OTLP did not reach the receiver either: who comes back may be another, and is asked.
    pub(crate) fn connection_lost(&self) {
        let knows = lock(&self.state).knows;
        if matches!(knows, Knows::DoesNot { .. }) {
            self.forget(Knows::Nothing);
        }
    }

    fn could_not_read(&self) {
        let mut state = lock(&self.state);
        state.refused_in_a_row += 1;
        let again = state.refused_in_a_row >= REFUSED_IN_A_ROW;
        drop(state);
        if again {
            self.forget(Knows::Nothing);
        }
    }

    /// The frame of a request, made unless there is one.
    fn frame(&self, batch: &mut Batch) -> Bytes {
        if let Some(frame) = batch.frame() {
            return frame;
        }
        let mut state = lock(&self.state);
        if state.generation != generation() {
            // The stream is the parent's, whose frames go on to be numbered as ours would be: a receiver would take
            // them for repetitions.
            state.generation = generation();
            state.coder.start_over();
        }
        let frame = state.coder.encode(batch.request());
        if frame.fallback {
            add(&self.counts.partly_raw, 1);
        }
        self.counts
            .state_bytes
            .store(state.coder.state_bytes(), Ordering::Relaxed);
        drop(state);
        batch.set_frame(frame)
    }

    fn acknowledge(&self, batch: &mut Batch, answer: Option<Acknowledgement>) {
        let mut state = lock(&self.state);
        state.refused_in_a_row = 0;
        batch.answered();
        let Some(answer) = answer else {
            return;
        };
        if answer.state_lost {
            add(&self.counts.state_losses, 1);
        }
        if !batch.is_of(&state.coder) {
            return;
        }
        state.coder.acknowledge(&answer);
        let mode = if state.coder.is_self_contained() {
            TracezipMode::SelfContained
        } else {
            TracezipMode::Stateful
        };
        self.counts
            .state_bytes
            .store(state.coder.state_bytes(), Ordering::Relaxed);
        self.counts.set_mode(mode);
    }

    /// Begins a new stream: what the other side holds of this one cannot be found out.
    pub(super) fn start_over(&self) {
        add(&self.counts.state_losses, 1);
        lock(&self.state).coder.start_over();
    }

    fn delivered(&self, batch: &Batch) {
        add(&self.counts.frames, 1);
        add(&self.counts.otlp_bytes, batch.request().len() as u64);
        add(&self.counts.frame_bytes, batch.frame_len() as u64);
    }

    /// No answer to this batch will be waited for any more.
    pub(crate) fn give_up(&self, batch: &Batch) {
        if let Some(made) = batch.unanswered() {
            lock(&self.state).coder.lose(made);
        }
    }
}

/// The answer in a message, if there is one that we can read: `Some(None)` is one without an acknowledgement.
fn answer(message: &[u8]) -> Option<Option<Acknowledgement>> {
    find_answer(message)?.ok()
}

/// Three to five quarters of a time, so that many senders do not ask in step.
fn jittered(time: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
        % 1000;
    time.mul_f64(0.75 + 0.5 * random as f64 / 1000.0)
}
