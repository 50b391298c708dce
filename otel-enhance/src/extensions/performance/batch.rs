//! Our queue in front of an exporter of the application's, on a provider of the application's.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use super::engine::{Deliver, Engine, EngineProcessor, SpanEngine};
use super::queue::{BatchQueue, Bounds, Level};
use super::settings;
use super::store::Store;
use crate::InitError;
use crate::config::{self, DropPolicy, Env, Overrides, Tuning};
use crate::export::log::{Log, ReportKind};
use crate::export::operations::ExportTimes;
use crate::export::report::Delivery;
use crate::export::runtime::ExportRuntime;
use crate::export::{
    self, DeliveryReport, DropReason, ErasedExporter, ErrorHandler, Report, Shared, Sink,
};
use crate::pipeline::account::Account;

/// `force_flush` waits as long as the SDK's does.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the exporter, on a thread on which it can be made.
type Make = Box<dyn FnOnce() -> Box<dyn Sink> + Send>;

/// An exporter behind a queue of ours, which is bounded by spans and by bytes and exports several
/// batches at once. For a service that keeps its own provider:
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use otel_enhance::extensions::performance::BatchOptimizedExporter;
/// # use opentelemetry_sdk::{error::OTelSdkResult, trace::{SpanData, SpanExporter}};
/// # #[derive(Debug)] struct TheirExporter;
/// # impl SpanExporter for TheirExporter {
/// #     async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult { Ok(()) }
/// # }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let processor = BatchOptimizedExporter::wrap(TheirExporter)
///     .with_max_queue_bytes(16 << 20)
///     .build()?;
/// let watch = processor.watch();
/// let provider = SdkTracerProvider::builder()
///     .with_span_processor(processor)
///     .build();
/// otel_enhance::set_tracer_provider(provider.clone());
/// // The service runs.
/// provider.shutdown()?;
/// let report = watch.report();
/// assert_eq!(report.ended, report.exported + report.dropped_total());
/// # Ok(())
/// # }
/// ```
///
/// Batches grow with the load: while the exporter keeps up, a quarter of a batch's spans is enough to begin
/// an export, and whatever waits is exported after the scheduled delay. The more exports are under way,
/// the larger the next one must be.
///
/// **Several exports at once.** The official trait promises its implementers that `export` is never
/// called concurrently. The official OTLP exporters do well with it; an exporter that relies on the
/// promise gets [`with_ordered_exports(true)`](Self::with_ordered_exports).
///
/// A panic of the exporter costs its batch, an export that does not end costs the export timeout, and
/// an exporter that needs a tokio runtime finds one; every span that ended is in the account.
///
/// The methods that name a variable read it as [`init!`](crate::init) does.
#[must_use = "an exporter does nothing until it is built and given to a provider"]
pub struct BatchOptimizedExporter {
    make: Make,
    overrides: Overrides,
    tuning: Tuning,
    error_handler: Option<ErrorHandler>,
}

impl BatchOptimizedExporter {
    /// Puts a queue in front of `exporter`.
    pub fn wrap<E: SpanExporter + 'static>(exporter: E) -> Self {
        Self::wrap_fn(move || exporter)
    }

    /// The same with an exporter that is made by [`build`](Self::build): on a plain thread that has our
    /// runtime entered, so that exporters with a blocking client and exporters that want a tokio runtime
    /// can both be made.
    pub fn wrap_fn<E, F>(make: F) -> Self
    where
        E: SpanExporter + 'static,
        F: FnOnce() -> E + Send + 'static,
    {
        Self {
            make: Box::new(move || export::boxed(make())),
            overrides: Overrides::default(),
            tuning: Tuning::default(),
            error_handler: None,
        }
    }

    /// Spans that may wait for their export, 1 to 1,048,576. Environment: `OTEL_BSP_MAX_QUEUE_SIZE`.
    /// Default: 65,536.
    pub fn with_max_queue_size(mut self, spans: usize) -> Self {
        self.overrides.max_queue_size = Some(spans);
        self
    }

    /// Bytes that spans may hold, those being exported included, 64 KiB to 64 GiB. A span counts with
    /// what it takes in memory or in OTLP, whichever is more. Beside them, each export under way may
    /// hold its batch in encoded form. Default: 64 MiB.
    pub fn with_max_queue_bytes(mut self, bytes: usize) -> Self {
        self.tuning.max_queue_bytes = Some(bytes);
        self
    }

    /// Spans in one export, 1 to the queue's size. Environment: `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.
    /// Default: 8192.
    pub fn with_max_export_batch_size(mut self, spans: usize) -> Self {
        self.overrides.max_export_batch_size = Some(spans);
        self
    }

    /// Bytes in one export, counted as in [`with_max_queue_bytes`](Self::with_max_queue_bytes); 4 KiB to
    /// 1 GiB, and at most half of the queue's. A single span that is larger is exported alone. Default:
    /// 3.5 MiB, because receivers take 4 MiB over gRPC, as a rule.
    pub fn with_max_export_batch_bytes(mut self, bytes: usize) -> Self {
        self.tuning.max_export_batch_bytes = Some(bytes);
        self
    }

    /// The longest time that a span waits for others. Environment: `OTEL_BSP_SCHEDULE_DELAY`, in
    /// milliseconds. Default: 5 s.
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.overrides.scheduled_delay = Some(delay);
        self
    }

    /// What one export may take. Environment: `OTEL_BSP_EXPORT_TIMEOUT`, in milliseconds. Default: 30 s.
    pub fn with_export_timeout(mut self, timeout: Duration) -> Self {
        self.overrides.export_timeout = Some(timeout);
        self
    }

    /// Exports that may run at once, 1 to 64. Default: 8, and 1 for ordered exports.
    pub fn with_max_exports_in_flight(mut self, exports: usize) -> Self {
        self.tuning.max_exports_in_flight = Some(exports);
        self
    }

    /// What happens to a span that ends while the queue is full. Default: [`DropPolicy::Newest`].
    pub fn with_drop_policy(mut self, policy: DropPolicy) -> Self {
        self.tuning.drop_policy = policy;
        self
    }

    /// One export after the other, in the order in which the spans ended: for receivers and exporters
    /// that need it. Default: `false`, several at once.
    pub fn with_ordered_exports(mut self, ordered: bool) -> Self {
        self.tuning.ordered = ordered;
        self
    }

    /// Takes the messages that go to stderr otherwise.
    pub fn with_error_handler(mut self, handler: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.error_handler = Some(Arc::new(handler));
        self
    }

    /// The processor, for `SdkTracerProvider::builder().with_span_processor(…)`. Its threads start with
    /// the first span.
    ///
    /// # Errors
    ///
    /// [`InitError::InvalidArgument`] for a value that is not usable; [`InitError::Runtime`] if a thread
    /// cannot be started; [`InitError::ExporterPanicked`] if the exporter cannot be made.
    pub fn build(mut self) -> Result<BatchOptimizedProcessor, InitError> {
        self.overrides.performance = Some(self.tuning);
        let env = Env::process();
        let (batch, diagnostics) = config::batch::resolve_alone(&self.overrides, &env)?;
        let bounds = settings::bounds(&self.tuning, &batch, None)?;
        let log = Log::with_handler(self.error_handler);
        for diagnostic in diagnostics.as_slice() {
            log.report(ReportKind::Diagnostic, diagnostic.to_string());
        }
        let delivery = Arc::new(Delivery::default());
        let runtime = ExportRuntime::new()?;
        let sink = runtime.build_guarded(self.make)?;
        let shared = Shared {
            delivery: Arc::clone(&delivery),
            log,
            runtime: runtime.clone(),
        };
        let sinks = vec![("the wrapped exporter".to_owned(), true, sink)];
        let exporter = ErasedExporter::new(sinks, batch.export_timeout, None, shared);
        let account = Arc::new(Account::new(Arc::clone(&delivery), usize::MAX));
        let queue = BatchQueue::new(bounds, self.tuning.drop_policy);
        let engine = Engine::new(queue, exporter, account, delivery, runtime);
        Ok(BatchOptimizedProcessor {
            inner: EngineProcessor {
                engine: Arc::new(engine),
                default_timeout: FLUSH_TIMEOUT,
            },
        })
    }
}

impl fmt::Debug for BatchOptimizedExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchOptimizedExporter")
            .field("tuning", &self.tuning)
            .finish_non_exhaustive()
    }
}

/// The processor that [`BatchOptimizedExporter::build`] makes.
#[derive(Debug)]
pub struct BatchOptimizedProcessor {
    inner: EngineProcessor<VecDeque<SpanData>, ErasedExporter>,
}

impl BatchOptimizedProcessor {
    /// A look at the account and the queue, which works after the processor has gone into a provider.
    #[must_use]
    pub fn watch(&self) -> BatchWatch {
        self.inner.engine.watch()
    }
}

/// The account and the queue of a processor, for as long as one likes to look. See
/// [`BatchOptimizedProcessor::watch`] and [`TelemetryGuard::queue`](crate::TelemetryGuard::queue).
#[derive(Clone, Debug)]
pub struct BatchWatch {
    queue: Arc<dyn Levelled>,
    account: Arc<Account>,
}

impl BatchWatch {
    /// What has become of the spans so far. After a flush, and after shutdown, `ended` is `exported` and
    /// the dropped ones.
    #[must_use]
    pub fn report(&self) -> DeliveryReport {
        self.account.report()
    }

    /// How full the queue is.
    #[must_use]
    pub fn queue(&self) -> QueueLevel {
        let level = self.queue.level();
        QueueLevel {
            waiting: level.waiting,
            capacity: self.queue.bounds().items,
            in_flight: level.in_flight,
            bytes: level.bytes,
            max_bytes: self.queue.bounds().bytes,
            peak_bytes: level.peak_bytes,
        }
    }

    /// How long exports took. Those of a pipeline with several exporters are those of the one that counts
    /// in the account.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let guard = otel_enhance::init!(performance)?;
    /// if let Some(queue) = guard.queue() {
    ///     let times = queue.export_times();
    ///     println!("{} exports, the longest in {:?}", times.exports, times.longest);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn export_times(&self) -> ExportTimes {
        self.account.operations().times()
    }

    /// Calls `listener` after each export.
    pub(super) fn on_export(
        &self,
        listener: impl Fn(Duration, Option<DropReason>) + Send + Sync + 'static,
    ) {
        self.account.operations().listen(listener);
    }

    /// Spans that an exporter has been given.
    pub(super) fn handed_over(&self) -> u64 {
        self.queue.level().taken
    }
}

/// A queue of whatever items, for those who only look at it.
trait Levelled: Send + Sync + fmt::Debug {
    fn level(&self) -> Level;
    fn bounds(&self) -> &Bounds;
}

impl<S: Store> Levelled for BatchQueue<S> {
    fn level(&self) -> Level {
        self.level()
    }

    fn bounds(&self) -> &Bounds {
        self.bounds()
    }
}

impl<S: Store, E: Deliver<S>> Engine<S, E> {
    pub(crate) fn watch(&self) -> BatchWatch {
        let queue: Arc<BatchQueue<S>> = Arc::clone(&self.queue);
        BatchWatch {
            queue,
            account: Arc::clone(&self.account),
        }
    }
}

/// How full a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueLevel {
    /// Spans that wait for their export.
    pub waiting: usize,
    /// Spans that may wait.
    pub capacity: usize,
    /// Spans that are being exported.
    pub in_flight: usize,
    /// Bytes of those that wait and those that are being exported.
    pub bytes: usize,
    /// What they may be.
    pub max_bytes: usize,
    /// The most bytes that there have been. It never exceeds the bound.
    pub peak_bytes: usize,
}

impl SpanProcessor for BatchOptimizedProcessor {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        // The provider sets it while it is built: no thread has started, so nobody shares the engine.
        if let Some(engine) = Arc::get_mut(&mut self.inner.engine) {
            SpanEngine::exporter_mut(engine).set_resource(resource);
        }
    }
}

impl Drop for BatchOptimizedProcessor {
    fn drop(&mut self) {
        // A provider shuts its processors down before it drops them.
        self.inner.engine.abandon();
    }
}
