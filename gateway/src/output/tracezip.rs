//! Tracezip, one stream a tenant, and OTLP where that is not spoken.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::batch::Batch;
use crate::config::{Level, TracezipOutput};
use crate::delivery::Delivery;
use crate::link::{Answer, Coding, Kind, Link, TlsError};
use crate::log;
use crate::metrics::TracezipMetrics;
use crate::speaker::{Carrier, Failure, Heard, Negotiation, Route, Sent, Stream};

/// The longest wait for the answer to a probe, behind which nothing lies that takes time.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Tracezip {
    link: Link,
    negotiation: Negotiation,
    streams: Mutex<Streams>,
    max_streams: usize,
    /// What was logged of the destination.
    told: Mutex<Option<bool>>,
    metrics: Arc<TracezipMetrics>,
}

/// The streams by tenant, with the time of each one's last use in requests.
#[derive(Debug, Default)]
struct Streams {
    by_tenant: HashMap<Arc<str>, (Arc<Stream>, u64)>,
    requests: u64,
}

/// A batch on its way.
struct Carried<'a> {
    link: &'a Link,
    batch: &'a Batch,
    wire_bytes: AtomicUsize,
}

impl Tracezip {
    pub(super) fn new(config: &TracezipOutput) -> Result<Self, TlsError> {
        Ok(Self {
            link: Link::new(&config.otlp)?,
            negotiation: Negotiation::new(config.ask_again),
            streams: Mutex::default(),
            max_streams: config.max_streams,
            told: Mutex::default(),
            metrics: Arc::default(),
        })
    }

    pub(super) fn metrics(&self) -> &Arc<TracezipMetrics> {
        &self.metrics
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream of a tenant. Nothing if the system gives no random numbers to name it by.
    fn stream(&self, tenant: &Arc<str>) -> Option<Arc<Stream>> {
        let mut streams = self.lock();
        streams.requests += 1;
        let now = streams.requests;
        if let Some((stream, used)) = streams.by_tenant.get_mut(tenant) {
            *used = now;
            return Some(Arc::clone(stream));
        }
        while streams.by_tenant.len() >= self.max_streams {
            let oldest = streams.by_tenant.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(tenant, _)| Arc::clone(tenant))?;
            streams.by_tenant.remove(&oldest);
            self.metrics.evicted_streams.add(1);
        }
        let mut id = [0; 16];
        OsRng.try_fill_bytes(&mut id).ok()?;
        let stream = Arc::new(Stream::new(id));
        let kept = (Arc::clone(&stream), now);
        streams.by_tenant.insert(Arc::clone(tenant), kept);
        self.metrics.epochs.add(1);
        Some(stream)
    }

    /// What became of the batch, and whether it may have arrived besides.
    pub(super) async fn deliver(&self, batch: &Batch) -> (Delivery, usize, bool) {
        let carried = Carried {
            link: &self.link,
            batch,
            wire_bytes: AtomicUsize::new(0),
        };
        let Some(stream) = self.stream(&batch.tenant) else {
            let delivery = carried.otlp().await;
            return (delivery, carried.wire_bytes.into_inner(), false);
        };
        let Sent {
            delivery,
            route,
            doubtful,
        } = stream
            .deliver(&self.negotiation, &carried, batch.protobuf())
            .await;
        self.account(&stream, route);
        self.tell();
        (delivery, carried.wire_bytes.into_inner(), doubtful)
    }

    fn account(&self, stream: &Stream, route: Route) {
        let metrics = &self.metrics;
        match route {
            Route::Tracezip | Route::Nowhere => {}
            Route::NotSpoken => metrics.fallback_not_spoken.add(1),
            Route::Refused => metrics.fallback_refused.add(1),
        }
        let done = stream.take_done();
        metrics.probes.add(done.probes);
        metrics.frames.add(done.frames);
        metrics.self_contained.add(done.self_contained);
        metrics.resent.add(done.resent);
        metrics.frame_bytes.add(done.frame_bytes);
        metrics.framed_bytes.add(done.framed_bytes);
        metrics.state_losses.add(done.state_losses);
        // A new epoch follows each loss.
        metrics.epochs.add(done.state_losses);
        let streams = self.lock();
        let count = streams.by_tenant.len();
        metrics.streams.store(count, Ordering::Relaxed);
    }

    /// Logs what was found out about the destination, once.
    fn tell(&self) {
        let known = self.negotiation.known();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() || *told == known {
            return;
        }
        *told = known;
        drop(told);
        let speaks = known == Some(true);
        self.metrics.speaks.store(speaks, Ordering::Relaxed);
        let message = if speaks {
            "the destination speaks tracezip"
        } else {
            "the destination does not speak tracezip: it gets OTLP, and is asked again later"
        };
        log::line(Level::Info, message, &[]);
    }

    /// Brings the figure of the streams' state up to date.
    pub(super) fn measure(&self) {
        let streams: Vec<Arc<Stream>> = {
            let streams = self.lock();
            let all = streams.by_tenant.values();
            all.map(|(stream, _)| Arc::clone(stream)).collect()
        };
        let bytes = streams.iter().map(|stream| stream.state_bytes()).sum();
        self.metrics.state_bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Carried<'_> {
    async fn send(&self, kind: Kind, message: &Bytes) -> Answer {
        let answer = self.link.send(kind, message, &self.batch.tenant).await;
        self.wire_bytes
            .fetch_add(answer.wire_bytes, Ordering::Relaxed);
        answer
    }
}

impl Carrier for Carried<'_> {
    type Delivery = Delivery;

    async fn probe(&self, frame: Bytes) -> Heard<Delivery> {
        let patience = (self.link.timeout() / 4).min(PROBE_PATIENCE);
        match tokio::time::timeout(patience, self.frame(frame)).await {
            Ok(heard) => heard,
            Err(_) => Heard::Failed {
                delivery: Delivery::Unavailable {
                    retry_after: None,
                    message: format!("no answer within {patience:?} to what asks for tracezip"),
                    ambiguous: false,
                },
                how: Failure::Silent,
            },
        }
    }

    async fn frame(&self, frame: Bytes) -> Heard<Delivery> {
        heard(self.send(Kind::Frame, &frame).await)
    }

    async fn otlp(&self) -> Delivery {
        self.send(Kind::Protobuf, self.batch.protobuf())
            .await
            .delivery
    }
}

/// What an answer to a frame means.
fn heard(answer: Answer) -> Heard<Delivery> {
    let delivery = answer.delivery;
    if let Some(Ok(acknowledgement)) = ::tracezip::find_answer(&answer.message) {
        return Heard::Answered {
            acknowledgement,
            delivery,
        };
    }
    match (&delivery, answer.coding) {
        // Whoever takes anything and says nothing of the frame has not understood it.
        (Delivery::Accepted | Delivery::Partial { .. }, _) => Heard::NotSpoken { taken: true },
        (_, Coding::Unknown) => Heard::NotSpoken { taken: false },
        (_, Coding::StateLost) => Heard::StateLost,
        (_, Coding::Malformed) => Heard::Refused { doubtful: false },
        // Our kind says in an answer why it refuses a request for good: this is about the frame.
        (Delivery::Rejected { status, .. }, _) => Heard::Refused {
            doubtful: status.is_server_error(),
        },
        _ => Heard::Failed {
            how: failure(&delivery, answer.coding),
            delivery,
        },
    }
}

fn failure(delivery: &Delivery, coding: Coding) -> Failure {
    match (delivery, coding) {
        (_, Coding::Broken) => Failure::Broken,
        (_, Coding::Silent) => Failure::Silent,
        // 502 to 504, and the like: something is in between, or too busy, for OTLP as well.
        (_, Coding::NotReached)
        | (
            Delivery::Busy { .. }
            | Delivery::Unavailable {
                ambiguous: true, ..
            }
            | Delivery::Unavailable {
                retry_after: Some(_),
                ..
            },
            _,
        ) => Failure::TurnedAway,
        _ => Failure::Unclear,
    }
}
