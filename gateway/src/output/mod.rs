//! Where batches go.

mod file;
#[cfg(feature = "kafka")]
mod kafka;
mod otlp;
mod tracezip;

use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use otel_enhance_receiver::RecordError;
use tokio::sync::Semaphore;

use crate::batch::Batch;
use crate::config::{Level, OutputConfig};
use crate::delivery::Delivery;
use crate::link::TlsError;
use crate::log;
use crate::metrics::{Counter, OutputMetrics};

/// How often an outage is logged, and how often outages are that come and go.
const LOG_EVERY: Duration = Duration::from_secs(30);

/// Why an output cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] RecordError),
    /// There is no Kafka in this build.
    #[error("built without Kafka: build with the feature `kafka`")]
    NoKafka,
}

/// One destination, with its account.
#[derive(Debug)]
pub(crate) struct Output {
    target: Target,
    pub(crate) metrics: Arc<OutputMetrics>,
    slots: Semaphore,
    outages: Mutex<Outages>,
    rejected: Mutex<Rejections>,
    rejected_in_part: Mutex<Rejections>,
}

#[derive(Debug)]
enum Target {
    Otlp(otlp::Otlp),
    Tracezip(tracezip::Tracezip),
    File(file::Files),
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka::Kafka>),
}

/// What is to be said of failures, which is not each of them.
#[derive(Debug, Default)]
struct Outages {
    now: Option<Outage>,
    logged: Option<Instant>,
    /// Requests that failed since the last line.
    unsaid: u64,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    logged: bool,
}

impl Outages {
    /// A request failed. The number of those that did, if it is to be logged.
    fn failed(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        let outage = self.now.get_or_insert(Outage {
            since: now,
            logged: false,
        });
        if self.logged.is_some_and(|logged| now - logged < LOG_EVERY) {
            return None;
        }
        outage.logged = true;
        self.logged = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }

    /// A request was taken. How long the outage lasted, if it was logged.
    fn ended(&mut self, now: Instant) -> Option<Duration> {
        let outage = self.now.take()?;
        outage.logged.then(|| now - outage.since)
    }
}

/// What is to be said of requests that are rejected, which senders decide upon: not each of them.
#[derive(Debug, Default)]
struct Rejections {
    logged: Option<Instant>,
    unsaid: u64,
}

impl Rejections {
    /// One was. The number of those since the last line, if it is to be logged.
    fn another(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        if self.logged.is_some_and(|logged| now - logged < LOG_EVERY) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl Output {
    /// The number tells outputs of one name apart.
    pub(crate) fn new(config: &OutputConfig, number: usize) -> Result<Self, OutputError> {
        let mut metrics = OutputMetrics::default();
        let (target, concurrency) = match config {
            OutputConfig::Otlp(config) => {
                metrics.name = config.endpoint.uri.to_string();
                metrics.kind = "otlp";
                (Target::Otlp(otlp::Otlp::new(config)?), config.concurrency)
            }
            OutputConfig::Tracezip(config) => {
                metrics.name = config.otlp.endpoint.uri.to_string();
                metrics.kind = "tracezip";
                let target = tracezip::Tracezip::new(config)?;
                metrics.tracezip = Some(Arc::clone(target.metrics()));
                (Target::Tracezip(target), config.otlp.concurrency)
            }
            OutputConfig::File(config) => {
                metrics.name = config.path.0.display().to_string();
                metrics.kind = "file";
                // One file is written by one at a time.
                (Target::File(file::Files::open(config)?), 1)
            }
            #[cfg(not(feature = "kafka"))]
            OutputConfig::Kafka(_) => return Err(OutputError::NoKafka),
            #[cfg(feature = "kafka")]
            OutputConfig::Kafka(config) => {
                metrics.name = format!("kafka:{}", config.topic.0);
                metrics.kind = "kafka";
                let target = Box::new(kafka::Kafka::new(config)?);
                (Target::Kafka(target), config.concurrency.0)
            }
        };
        if number > 1 {
            metrics.name = format!("{number}:{}", metrics.name);
        }
        Ok(Self {
            target,
            metrics: Arc::new(metrics),
            slots: Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)),
            outages: Mutex::default(),
            rejected: Mutex::default(),
            rejected_in_part: Mutex::default(),
        })
    }

    /// Gives the batch to the destination, when its turn comes, and tells what became of it.
    pub(crate) async fn deliver(&self, batch: &Batch) -> Delivery {
        // It is never closed.
        let _slot = self.slots.acquire().await;
        let _under_way = Gauge::enter(&self.metrics.under_way);
        let doubt = Doubt(&self.metrics.ambiguous);
        let (delivery, wire_bytes, doubtful) = match &self.target {
            Target::Otlp(otlp) => otlp.deliver(batch).await,
            Target::Tracezip(tracezip) => tracezip.deliver(batch).await,
            Target::File(file) => file.deliver(batch).await,
            #[cfg(feature = "kafka")]
            Target::Kafka(kafka) => kafka.deliver(batch).await,
        };
        if !doubtful && !delivery.is_ambiguous() {
            doubt.settle();
        }
        let delivery = delivery.of(batch.spans);
        self.metrics.bytes.add(batch.body.len() as u64);
        self.metrics.wire_bytes.add(wire_bytes as u64);
        self.metrics.delivered(&delivery, batch.spans);
        self.note(&delivery);
        delivery
    }

    /// Brings figures up to date that are not kept up to date.
    pub(crate) fn measure(&self) {
        if let Target::Tracezip(tracezip) = &self.target {
            tracezip.measure();
        }
    }

    fn outages(&self) -> MutexGuard<'_, Outages> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs the beginning and the end of an outage, and what is lost.
    fn note(&self, delivery: &Delivery) {
        let output = ("output", &self.metrics.name as &dyn Display);
        match delivery {
            Delivery::Accepted | Delivery::Partial { .. } => {
                if self.metrics.down.swap(false, Ordering::Relaxed)
                    && let Some(lasted) = self.outages().ended(Instant::now())
                {
                    let fields = [output, ("seconds", &lasted.as_secs())];
                    log::line(Level::Info, "output takes requests again", &fields);
                }
                if let Delivery::Partial { rejected, message } = delivery
                    && let Some(requests) = another(&self.rejected_in_part)
                {
                    let fields = [
                        output,
                        ("rejected_spans", rejected),
                        ("message", message),
                        ("requests", &requests),
                    ];
                    log::line(Level::Warn, "output took a request in part", &fields);
                }
            }
            Delivery::Rejected { status, message } => {
                if let Some(requests) = another(&self.rejected) {
                    let fields = [
                        output,
                        ("status", status),
                        ("error", message),
                        ("requests", &requests),
                    ];
                    log::line(Level::Error, "output rejects a request for good", &fields);
                }
            }
            Delivery::Busy { message, .. } | Delivery::Unavailable { message, .. } => {
                self.metrics.down.store(true, Ordering::Relaxed);
                let failed = self.outages().failed(Instant::now());
                if let Some(failed) = failed {
                    let fields = [
                        output,
                        ("result", &delivery.label()),
                        ("error", message),
                        ("failed_requests", &failed),
                    ];
                    let text = "output does not take requests: senders are told to come again";
                    log::line(Level::Warn, text, &fields);
                }
            }
        }
    }
}

fn another(rejections: &Mutex<Rejections>) -> Option<u64> {
    let mut rejections = rejections.lock().unwrap_or_else(PoisonError::into_inner);
    rejections.another(Instant::now())
}

/// A batch of which it is not known what became of it, unless that is settled: when the sender goes away, it is
/// dropped on its way.
struct Doubt<'a>(&'a Counter);

impl Doubt<'_> {
    fn settle(self) {
        std::mem::forget(self);
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

/// Counts while it lives.
pub(crate) struct Gauge<'a>(&'a AtomicUsize);

impl<'a> Gauge<'a> {
    pub(crate) fn enter(gauge: &'a AtomicUsize) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_are_logged_now_and_then_with_their_number() {
        let mut rejections = Rejections::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(rejections.another(at(0)), Some(1));
        for second in 1..30 {
            assert_eq!(rejections.another(at(second)), None);
        }
        assert_eq!(rejections.another(at(30)), Some(30));
    }

    #[test]
    fn outages_that_come_and_go_are_logged_now_and_then() {
        let mut outages = Outages::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(outages.failed(at(0)), Some(1));
        assert_eq!(outages.failed(at(1)), None);
        assert_eq!(outages.ended(at(2)), Some(Duration::from_secs(2)));
        assert_eq!(outages.ended(at(2)), None);
        assert_eq!(outages.failed(at(3)), None);
        assert_eq!(outages.ended(at(4)), None);
        assert_eq!(outages.failed(at(30)), Some(3));
    }
}
