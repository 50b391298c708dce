//! Where batches go.

mod file;
mod otlp;
mod tracezip;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use otel_enhance_receiver::RecordError;
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::Semaphore;

use crate::batch::Batch;
use crate::config::{Level, OutputConfig};
use crate::delivery::Delivery;
use crate::link::TlsError;
use crate::log;
use crate::metrics::OutputMetrics;

/// How often an outage is logged while it lasts.
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
}

/// One destination, with its account.
#[derive(Debug)]
pub(crate) struct Output {
    target: Target,
    pub(crate) metrics: Arc<OutputMetrics>,
    slots: Semaphore,
    outage: AsyncMutex<Option<Outage>>,
}

#[derive(Debug)]
enum Target {
    Otlp(otlp::Otlp),
    Tracezip(tracezip::Tracezip),
    File(file::Files),
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    logged: Instant,
    requests: u64,
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
        };
        if number > 1 {
            metrics.name = format!("{number}:{}", metrics.name);
        }
        Ok(Self {
            target,
            metrics: Arc::new(metrics),
            slots: Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)),
            outage: AsyncMutex::new(None),
        })
    }

    /// Gives the batch to the destination, when its turn comes, and tells what became of it.
    pub(crate) async fn deliver(&self, batch: &Batch) -> Delivery {
        // It is never closed.
        let _slot = self.slots.acquire().await;
        let _under_way = Gauge::enter(&self.metrics.under_way);
        let (delivery, wire_bytes) = match &self.target {
            Target::Otlp(otlp) => otlp.deliver(batch).await,
            Target::Tracezip(tracezip) => tracezip.deliver(batch).await,
            Target::File(file) => file.deliver(batch).await,
        };
        self.metrics.bytes.add(batch.body.len() as u64);
        self.metrics.wire_bytes.add(wire_bytes as u64);
        self.metrics.delivered(&delivery, batch.spans);
        self.note(&delivery).await;
        delivery
    }

    /// Brings figures up to date that are not kept up to date.
    pub(crate) fn measure(&self) {
        if let Target::Tracezip(tracezip) = &self.target {
            tracezip.measure();
        }
    }

    /// Logs the beginning and the end of an outage, not each of its failures.
    async fn note(&self, delivery: &Delivery) {
        let output = &self.metrics.name;
        match delivery {
            Delivery::Accepted | Delivery::Partial { .. } => {
                if self.metrics.down.swap(false, Ordering::Relaxed)
                    && let Some(outage) = self.outage.lock().await.take()
                {
                    let seconds = outage.since.elapsed().as_secs();
                    log::line(
                        Level::Info,
                        "output takes requests again",
                        &[
                            ("output", output),
                            ("seconds", &seconds),
                            ("failed_requests", &outage.requests),
                        ],
                    );
                }
                if let Some(message) = delivery.message() {
                    let fields: [(&str, &dyn std::fmt::Display); 2] =
                        [("output", output), ("message", &message)];
                    log::line(
                        Level::Warn,
                        "output took a request but for some spans",
                        &fields,
                    );
                }
            }
            Delivery::Rejected { status, message } => log::line(
                Level::Error,
                "output rejects a request, and its spans are lost",
                &[("output", output), ("status", status), ("error", message)],
            ),
            Delivery::Busy { message, .. } | Delivery::Unavailable { message, .. } => {
                self.metrics.down.store(true, Ordering::Relaxed);
                let mut outage = self.outage.lock().await;
                let now = Instant::now();
                let begins = outage.is_none();
                let known = outage.get_or_insert(Outage {
                    since: now,
                    logged: now,
                    requests: 0,
                });
                known.requests += 1;
                if begins || now - known.logged >= LOG_EVERY {
                    known.logged = now;
                    log::line(
                        Level::Warn,
                        "output does not take requests: senders are told to come again",
                        &[
                            ("output", output),
                            ("result", &delivery.label()),
                            ("error", message),
                            ("failed_requests", &known.requests),
                        ],
                    );
                }
            }
        }
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
