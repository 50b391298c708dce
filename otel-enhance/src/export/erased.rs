//! The one exporter that a processor sees, whatever lies behind it.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::log::{Log, Outage, ReportKind};
use super::report::{Delivery, DropReason};
use super::runtime::{ExportRuntime, block_on, panic_message};
use super::sink::{Failure, Outcome, Sink};

/// Puts limits on a span's data before it is exported.
pub(crate) type LimitsHook = Arc<dyn Fn(&mut SpanData) + Send + Sync>;

/// What all parts of one pipeline share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) log: Log,
    pub(crate) runtime: ExportRuntime,
}

/// An official `SpanExporter` in front of one or more [`Sink`]s. It polls them with our runtime
/// entered, survives their panics, keeps a deadline for each export, and keeps the account.
#[derive(Debug)]
pub(crate) struct ErasedExporter {
    inner: Arc<Inner>,
}

struct Inner {
    outlets: Vec<Outlet>,
    shared: Shared,
    timeout: Duration,
    limits: Option<LimitsHook>,
}

/// A sink and what is known about it.
#[derive(Debug)]
struct Outlet {
    sink: Box<dyn Sink>,
    outage: Outage,
    /// Spans are counted once, by the first outlet that leaves the process.
    accounted: bool,
}

impl ErasedExporter {
    /// `sinks` come with a name for the log and whether they leave the process.
    pub(crate) fn new(
        sinks: Vec<(String, bool, Box<dyn Sink>)>,
        timeout: Duration,
        limits: Option<LimitsHook>,
        shared: Shared,
    ) -> Self {
        let counted = sinks.iter().position(|(_, leaves, _)| *leaves).unwrap_or(0);
        let outlets = sinks
            .into_iter()
            .enumerate()
            .map(|(index, (name, _, sink))| Outlet {
                sink,
                outage: Outage::new(format!("exports to {name}")),
                accounted: index == counted,
            })
            .collect();
        Self {
            inner: Arc::new(Inner {
                outlets,
                shared,
                timeout,
                limits,
            }),
        }
    }

    /// Exports to sinks that never block, which may be polled anywhere.
    #[cfg(all(
        feature = "performance",
        any(feature = "otlp-http", feature = "otlp-grpc")
    ))]
    pub(super) async fn export_anywhere(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        self.inner.prepare(&mut batch);
        let runtime = self.inner.shared.runtime.clone();
        let exported = Arc::clone(&self.inner).export(batch);
        runtime.enter_each_poll(exported).await
    }

    /// Puts the limits on a sampled span, for [`export_prepared`](Self::export_prepared): where a span was made just
    /// now, it is still in the cache.
    #[cfg(feature = "performance")]
    #[inline]
    pub(crate) fn prepare(&self, span: &mut SpanData) {
        self.inner.put_limits_on(span);
    }

    /// Exports sampled spans that have been [prepared](Self::prepare).
    #[cfg(feature = "performance")]
    pub(crate) async fn export_prepared(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        Arc::clone(&self.inner).export_prepared(batch).await
    }

    /// Its only sink, if that takes requests which our encoder has written.
    #[cfg(feature = "performance")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(crate) fn encoded(&self) -> Option<&super::encoded::EncodedSink> {
        match &self.inner.outlets[..] {
            [only] => only.sink.encoded(),
            _ => None,
        }
    }

    /// Exports a request with so many spans, which have been made for [`encoded`](Self::encoded); on a
    /// plain thread.
    #[cfg(feature = "performance")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(crate) async fn export_request(&self, request: bytes::Bytes, spans: u64) -> OTelSdkResult {
        let inner = &self.inner;
        let [outlet] = &inner.outlets[..] else {
            return Ok(());
        };
        let Some(sink) = outlet.sink.encoded() else {
            return Ok(());
        };
        let export = || sink.export_request(request, spans);
        let runtime = inner.shared.runtime.clone();
        runtime
            .enter_each_poll(inner.export_to(outlet, spans, export))
            .await
    }

    /// Calls every sink, with our runtime entered, whatever the earlier ones answer.
    fn each(&self, call: impl Fn(&dyn Sink) -> OTelSdkResult) -> OTelSdkResult {
        let _entered = self.inner.shared.runtime.handle().enter();
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let mut result = Ok(());
        for outlet in &self.inner.outlets {
            let answer = catch_unwind(AssertUnwindSafe(|| call(&*outlet.sink)));
            let answer = answer.unwrap_or_else(|panic| {
                Err(OTelSdkError::InternalFailure(format!(
                    "the exporter panicked: {}",
                    panic_message(&*panic)
                )))
            });
            result = result.and(answer);
        }
        result
    }
}

impl SpanExporter for ErasedExporter {
    fn export(&self, mut batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let inner = Arc::clone(&self.inner);
        async move {
            inner.prepare(&mut batch);
            inner.export_prepared(batch).await
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.each(|sink| sink.force_flush())
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.each(|sink| sink.shutdown())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.each(|sink| sink.shutdown_with_timeout(timeout))
    }

    fn set_resource(&mut self, resource: &Resource) {
        let entered = self.inner.shared.runtime.clone();
        let _entered = entered.handle().enter();
        // The processor sets it before the first export, so nobody else holds the Arc.
        let Some(inner) = Arc::get_mut(&mut self.inner) else {
            return;
        };
        for outlet in &mut inner.outlets {
            let set = catch_unwind(AssertUnwindSafe(|| outlet.sink.set_resource(resource)));
            if let Err(panic) = set {
                inner.shared.log.report(
                    ReportKind::Notice,
                    format!(
                        "the exporter panicked in set_resource: {}",
                        panic_message(&*panic)
                    ),
                );
            }
        }
    }
}

impl Inner {
    async fn export_on_own_thread(self: Arc<Self>, batch: Vec<SpanData>) -> OTelSdkResult {
        let (done, result) = tokio::sync::oneshot::channel();
        let spans = batch.len() as u64;
        let inner = Arc::clone(&self);
        let spawned = std::thread::Builder::new()
            .name("otel-enhance-simple".to_owned())
            .spawn(move || {
                let runtime = inner.shared.runtime.clone();
                let exported = block_on(runtime.enter_each_poll(inner.export(batch)));
                // The receiver is gone if the application dropped the export.
                let _ = done.send(exported);
            });
        if let Err(error) = spawned {
            self.shared
                .delivery
                .dropped(DropReason::ExporterFailed, spans);
            return Err(OTelSdkError::InternalFailure(format!(
                "no thread to export on: {error}"
            )));
        }
        result.await.unwrap_or_else(|_| {
            Err(OTelSdkError::InternalFailure(
                "the export thread ended early".to_owned(),
            ))
        })
    }

    fn prepare(&self, batch: &mut Vec<SpanData>) {
        // The SDK's processors pass spans on that are recorded only.
        batch.retain(|span| span.span_context.is_sampled());
        for span in batch {
            self.put_limits_on(span);
        }
    }

    #[inline]
    fn put_limits_on(&self, span: &mut SpanData) {
        if let Some(limits) = &self.limits {
            limits(span);
        }
    }

    async fn export_prepared(self: Arc<Self>, batch: Vec<SpanData>) -> OTelSdkResult {
        // A batch processor polls on a plain thread. The simple one polls where the span ends,
        // and inside the application's runtime a blocking client would panic.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.export_on_own_thread(batch).await
        } else {
            let runtime = self.shared.runtime.clone();
            runtime.enter_each_poll(self.export(batch)).await
        }
    }

    async fn export(self: Arc<Self>, batch: Vec<SpanData>) -> OTelSdkResult {
        if batch.is_empty() {
            return Ok(());
        }
        let mut result = Ok(());
        let Some((last, first)) = self.outlets.split_last() else {
            return Ok(());
        };
        let spans = batch.len() as u64;
        for outlet in first {
            let export = || outlet.sink.export(batch.clone());
            result = result.and(self.export_to(outlet, spans, export).await);
        }
        let export = || last.sink.export(batch);
        result.and(self.export_to(last, spans, export).await)
    }

    async fn export_to<'a>(
        &self,
        outlet: &Outlet,
        spans: u64,
        export: impl FnOnce() -> BoxFuture<'a, Outcome>,
    ) -> OTelSdkResult {
        let delivery = &self.shared.delivery;
        #[cfg(feature = "performance")]
        let began = std::time::Instant::now();
        let outcome = self.outcome(export).await;
        #[cfg(feature = "performance")]
        if outlet.accounted {
            let failure = outcome.failure();
            delivery.operations.ended(began.elapsed(), failure);
        }
        let dropped_so_far = || delivery.report().dropped_total();
        let log = &self.shared.log;
        match outcome {
            Outcome::Delivered => {
                if outlet.accounted {
                    delivery.exported(spans);
                }
                outlet.outage.worked(log, dropped_so_far());
                Ok(())
            }
            Outcome::Partial { rejected, message } => {
                // A receiver that claims more than it was sent does not make our books wrong.
                let rejected = rejected.min(spans);
                if outlet.accounted {
                    delivery.exported(spans - rejected);
                    delivery.dropped(DropReason::PartialSuccess, rejected);
                }
                outlet.outage.worked(log, dropped_so_far());
                log.report(
                    ReportKind::Notice,
                    format!("the receiver rejected {rejected} of {spans} spans: {message:?}"),
                );
                Ok(())
            }
            Outcome::Dropped(failure) => {
                if outlet.accounted {
                    delivery.dropped(failure.reason, spans);
                }
                outlet.outage.failed(log, &failure.detail, dropped_so_far());
                Err(match failure.reason {
                    DropReason::Timeout => OTelSdkError::Timeout(self.timeout),
                    DropReason::AfterShutdown => OTelSdkError::AlreadyShutdown,
                    _ => OTelSdkError::InternalFailure(failure.detail),
                })
            }
        }
    }

    /// The sink's outcome, or what stopped it.
    async fn outcome<'a>(&self, export: impl FnOnce() -> BoxFuture<'a, Outcome>) -> Outcome {
        let shutdown_deadline = || {
            let what = "shutdown's deadline passed";
            Outcome::Dropped(Failure::new(
                DropReason::ShutdownDeadline,
                self.shared.delivery.because_of_trouble(what),
            ))
        };
        if self.shared.runtime.is_cut_off() {
            return shutdown_deadline();
        }
        let mut export = AssertUnwindSafe(export()).catch_unwind().boxed();
        let stopped = async {
            let cut_off = std::pin::pin!(self.shared.runtime.cut_off_reached());
            tokio::time::timeout(self.timeout, cut_off).await.is_ok()
        };
        let outcome = match select(&mut export, std::pin::pin!(stopped)).await {
            Either::Left((Ok(outcome), _)) => outcome,
            Either::Left((Err(panic), _)) => Outcome::Dropped(Failure::new(
                DropReason::ExporterFailed,
                format!("the exporter panicked: {}", panic_message(&*panic)),
            )),
            Either::Right((true, _)) => shutdown_deadline(),
            Either::Right((false, _)) => {
                let what = format!("no end within the export timeout of {:?}", self.timeout);
                Outcome::Dropped(Failure::new(
                    DropReason::Timeout,
                    self.shared.delivery.because_of_trouble(&what),
                ))
            }
        };
        // Dropping a foreign future may panic as well.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(export)));
        outcome
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("outlets", &self.outlets)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
