//! Sessions against receivers that are functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use tracezip::{Decoder, Limits, put_answer};

use super::session::{Batch, Refusal, Said, Session, Told};
use super::watch::{Counts, TracezipMode};
use crate::export::log::lock;

type S = ();
type F = &'static str;

fn session() -> (Session, Arc<Counts>) {
    let counts = Arc::<Counts>::default();
    let enabled = Arc::new(AtomicBool::new(true));
    let session = Session::new(Arc::clone(&counts), None, enabled, None);
    (session, counts)
}

/// A receiver that speaks tracezip.
struct Receiver(std::sync::Mutex<Decoder>);

impl Receiver {
    fn new(instance: u64) -> Self {
        Self(std::sync::Mutex::new(Decoder::new(
            instance,
            Limits::default(),
        )))
    }

    fn take(&self, frame: &[u8]) -> Said<S, F> {
        let mut decoder = lock(&self.0);
        let mut message = Vec::new();
        match decoder.decode(0, frame, &mut Vec::new()) {
            Ok(decoded) => {
                put_answer(decoded.answer.as_ref(), &mut message);
                Said::Taken {
                    message: message.into(),
                    whole: (),
                }
            }
            Err(_) => {
                if let Some(answer) = decoder.refusal(frame) {
                    put_answer(Some(&answer), &mut message);
                }
                Said::Refused {
                    refusal: Refusal::StateLost,
                    message: message.into(),
                    whole: "state lost",
                }
            }
        }
    }
}

fn refused(refusal: Refusal) -> Said<S, F> {
    Said::Refused {
        refusal,
        message: Bytes::new(),
        whole: "refused",
    }
}

async fn send(
    session: &Session,
    request: &'static [u8],
    by: impl Fn(Bytes) -> Said<S, F>,
) -> Told<S, F> {
    let mut batch = Batch::new(Bytes::from_static(request));
    session
        .send(&mut batch, |frame| std::future::ready(by(frame)))
        .await
}

const REQUEST: &[u8] = b"\x0a\x02\x0a\x00";

#[tokio::test]
async fn receiver_is_asked_once_and_believed() {
    let (session, counts) = session();
    let receiver = Receiver::new(1);
    for _ in 0..3 {
        let told = send(&session, REQUEST, |frame| receiver.take(&frame)).await;
        assert!(matches!(told, Told::Taken(())));
    }
    let stats = counts.read();
    assert_eq!((stats.probes, stats.frames), (1, 3));
    assert_eq!(stats.otlp_bytes, 3 * REQUEST.len() as u64);
    assert_eq!(stats.mode, TracezipMode::Stateful);
}

#[tokio::test]
async fn refusals_of_the_probe_mean_otlp_unless_they_pass() {
    for refusal in [
        Refusal::NotSpoken,
        Refusal::Malformed,
        Refusal::StateLost,
        Refusal::Other,
        Refusal::Broke,
        Refusal::Passing,
    ] {
        let (session, counts) = session();
        for _ in 0..2 {
            let told = send(&session, REQUEST, |_| refused(refusal)).await;
            assert!(
                matches!(
                    told,
                    Told::AsOtlp {
                        may_have_arrived: false
                    }
                ),
                "{refusal:?}"
            );
        }
        assert_eq!(counts.read().probes, 1, "{refusal:?}");
    }
    let (session, counts) = session();
    for _ in 0..2 {
        let told = send(&session, REQUEST, |_| refused(Refusal::Throttled)).await;
        assert!(matches!(
            told,
            Told::Failed {
                is_certain: true,
                ..
            }
        ));
    }
    assert_eq!(counts.read().probes, 2);
}

#[tokio::test]
async fn probe_that_nobody_answers_is_a_failure_and_one_that_broke_off_means_otlp() {
    for may_have_arrived in [true, false] {
        let (session, _) = session();
        let told = send(&session, REQUEST, |_| Said::Nothing {
            may_have_arrived,
            whole: "nothing",
        })
        .await;
        assert_eq!(matches!(told, Told::AsOtlp { .. }), may_have_arrived);
        assert_eq!(
            matches!(
                told,
                Told::Failed {
                    is_certain: true,
                    ..
                }
            ),
            !may_have_arrived
        );
    }
}

/// Sends a request until the deadline of whoever sends it, with `by` for an answer that never comes.
async fn cut_off(session: &Session) {
    let mut batch = Batch::new(Bytes::from_static(REQUEST));
    let sent = session.send(&mut batch, |_| std::future::pending::<Said<S, F>>());
    let cut_off = tokio::time::timeout(std::time::Duration::from_millis(1), sent).await;
    assert!(cut_off.is_err());
}

#[tokio::test]
async fn receiver_that_swallows_the_probe_gets_otlp_from_then_on() {
    let (session, counts) = session();
    cut_off(&session).await;
    let told = send(&session, REQUEST, |_| unreachable!("no frame")).await;
    assert!(matches!(told, Told::AsOtlp { .. }));
    let stats = counts.read();
    assert_eq!((stats.probes, stats.mode), (1, TracezipMode::Otlp));
}

#[tokio::test]
async fn receiver_that_swallows_a_frame_is_asked_before_the_next() {
    let (session, counts) = session();
    let receiver = Receiver::new(1);
    send(&session, REQUEST, |frame| receiver.take(&frame)).await;
    cut_off(&session).await;
    let told = send(&session, REQUEST, |_| refused(Refusal::NotSpoken)).await;
    assert!(matches!(told, Told::AsOtlp { .. }));
    assert_eq!(counts.read().probes, 2);
}

#[tokio::test]
async fn somebody_in_the_receivers_place_who_refuses_frames_for_whatever_reason_gets_otlp() {
    for refusal in [Refusal::Other, Refusal::Broke] {
        let (session, counts) = session();
        let receiver = Receiver::new(1);
        send(&session, REQUEST, |frame| receiver.take(&frame)).await;
        for _ in 0..5 {
            let told = send(&session, REQUEST, |_| refused(refusal)).await;
            let Told::AsOtlp { may_have_arrived } = told else {
                panic!("{refusal:?}");
            };
            assert!(!may_have_arrived || refusal == Refusal::Broke);
        }
        let stats = counts.read();
        assert_eq!((stats.probes, stats.mode), (2, TracezipMode::Otlp));
    }
}

#[tokio::test]
async fn somebody_in_the_receivers_place_who_breaks_off_gets_otlp_after_three_frames() {
    let nothing = |_| Said::Nothing {
        may_have_arrived: true,
        whole: "nothing",
    };
    let (session, _) = session();
    let receiver = Receiver::new(1);
    send(&session, REQUEST, |frame| receiver.take(&frame)).await;
    for _ in 0..3 {
        let told = send(&session, REQUEST, nothing).await;
        assert!(matches!(told, Told::Failed { .. }));
    }
    let told = send(&session, REQUEST, nothing).await;
    assert!(matches!(told, Told::AsOtlp { .. }));
}

#[tokio::test]
async fn batch_that_got_no_answer_is_sent_again_byte_for_byte() {
    let (session, _) = session();
    let receiver = Receiver::new(1);
    send(&session, REQUEST, |frame| receiver.take(&frame)).await;
    let mut batch = Batch::new(Bytes::from_static(REQUEST));
    let sent = std::sync::Mutex::new(Vec::new());
    for _ in 0..2 {
        let told = session
            .send(&mut batch, |frame| {
                lock(&sent).push(frame);
                std::future::ready(Said::<S, F>::Nothing {
                    may_have_arrived: true,
                    whole: "nothing",
                })
            })
            .await;
        assert!(matches!(
            told,
            Told::Failed {
                is_certain: false,
                ..
            }
        ));
    }
    let sent = lock(&sent);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
}

#[tokio::test]
async fn success_without_an_answer_is_no_delivery() {
    let (session, counts) = session();
    let receiver = Receiver::new(1);
    send(&session, REQUEST, |frame| receiver.take(&frame)).await;
    let told = send(&session, REQUEST, |_| Said::Taken {
        message: Bytes::from_static(b"OK"),
        whole: (),
    })
    .await;
    assert!(matches!(
        told,
        Told::AsOtlp {
            may_have_arrived: true
        }
    ));
    let stats = counts.read();
    assert_eq!((stats.frames, stats.ambiguous_retries), (1, 1));
    // It is asked anew.
    send(&session, REQUEST, |frame| receiver.take(&frame)).await;
    assert_eq!(counts.read().probes, 2);
}

#[tokio::test]
async fn state_lost_is_sent_again_at_once_with_an_answer_and_without() {
    for with_answer in [true, false] {
        let (session, counts) = session();
        let first = Receiver::new(1);
        for _ in 0..2 {
            send(&session, REQUEST, |frame| first.take(&frame)).await;
        }
        let second = Receiver::new(2);
        let told = send(&session, REQUEST, |frame| match second.take(&frame) {
            Said::Refused { refusal, whole, .. } if !with_answer => Said::Refused {
                refusal,
                message: Bytes::new(),
                whole,
            },
            said => said,
        })
        .await;
        assert!(matches!(told, Told::Taken(())), "{with_answer}");
        assert_eq!(counts.read().state_losses, 1);
    }
}

#[tokio::test]
async fn receivers_that_always_lose_state_get_otlp_in_the_end() {
    let (session, _) = session();
    let first = Receiver::new(1);
    for _ in 0..2 {
        send(&session, REQUEST, |frame| first.take(&frame)).await;
    }
    let calls = AtomicUsize::new(0);
    let told = send(&session, REQUEST, |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        refused(Refusal::StateLost)
    })
    .await;
    assert!(matches!(told, Told::AsOtlp { .. }));
    assert!(calls.load(Ordering::Relaxed) < 10);
}

#[tokio::test]
async fn frames_that_cannot_be_read_three_times_in_a_row_have_the_receiver_asked_anew() {
    let (session, counts) = session();
    let receiver = Receiver::new(1);
    send(&session, REQUEST, |frame| receiver.take(&frame)).await;
    for _ in 0..3 {
        let told = send(&session, REQUEST, |_| refused(Refusal::Malformed)).await;
        assert!(matches!(told, Told::AsOtlp { .. }));
        assert_eq!(counts.read().probes, 1);
    }
    send(&session, REQUEST, |_| refused(Refusal::Malformed)).await;
    let stats = counts.read();
    assert_eq!((stats.probes, stats.refused_frames), (2, 3));
    assert_eq!(stats.mode, TracezipMode::Otlp);
}

#[tokio::test]
async fn receiver_that_does_not_speak_is_asked_again_when_the_connection_was_lost() {
    let (session, counts) = session();
    send(&session, REQUEST, |_| refused(Refusal::NotSpoken)).await;
    session.connection_lost();
    let receiver = Receiver::new(1);
    let told = send(&session, REQUEST, |frame| receiver.take(&frame)).await;
    assert!(matches!(told, Told::Taken(())));
    assert_eq!(counts.read().probes, 2);
}
