//! The builder's state, and what is said about the service and the pipeline as a whole.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, ShouldSample, SpanExporter, SpanProcessor};

use super::red::RedRequest;
use super::slots::{Encoder, Slots};
use super::tracezip::TracezipRequest;
use crate::config::{EbpfSettings, ExporterKind, Overrides, SamplerChoice};
use crate::export::{self, ErrorHandler, Report, Sink};

/// Builds a pipeline from code, environment and defaults, in that order of precedence.
///
/// Every method may be left out; `new_enhanced_pipeline().install_batch()` is what `init!()` does. A
/// value that is not usable is an [`InitError`](crate::InitError) of the install, naming the argument;
/// a bad environment variable never is: it goes to
/// [`TelemetryGuard::diagnostics`](super::TelemetryGuard::diagnostics) and the log, and the default
/// holds.
///
/// ```
/// use std::time::Duration;
///
/// use otel_enhance::pipeline::new_enhanced_pipeline;
///
/// # fn main() -> Result<(), otel_enhance::InitError> {
/// let _guard = new_enhanced_pipeline()
///     .with_service_name("shop")
///     .with_service_version(env!("CARGO_PKG_VERSION"))
///     .with_scheduled_delay(Duration::from_secs(1))
///     .with_no_exporter()
///     .install_batch()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a pipeline does nothing until it is installed"]
pub struct EnhancedPipeline {
    pub(super) overrides: Overrides,
    pub(super) exporter: Option<CustomExporter>,
    pub(super) sampler: Option<Box<dyn ShouldSample>>,
    pub(super) propagators: Option<Vec<Propagator>>,
    pub(super) processors: Vec<Box<dyn SpanProcessor>>,
    pub(super) end_processors: Vec<Box<dyn SpanProcessor>>,
    pub(super) id_generator: Option<Box<dyn IdGenerator>>,
    pub(super) error_handler: Option<ErrorHandler>,
    pub(super) shutdown_timeout: Option<Duration>,
    pub(super) exit_handler: bool,
    pub(super) signal_handler: bool,
    pub(super) global: bool,
    pub(super) slots: Slots,
    pub(super) red: RedRequest,
    pub(super) ebpf: Option<EbpfSettings>,
    pub(super) tracezip: TracezipRequest,
}

pub(super) type Propagator = Box<dyn TextMapPropagator + Send + Sync>;

/// Makes the exporter given in code, on a thread on which it can be made.
pub(super) type CustomExporter = Box<dyn FnOnce() -> Box<dyn Sink> + Send>;

/// A pipeline of which nothing is said yet: everything comes from the environment and the defaults.
pub fn new_enhanced_pipeline() -> EnhancedPipeline {
    EnhancedPipeline {
        overrides: Overrides::default(),
        exporter: None,
        sampler: None,
        propagators: None,
        processors: Vec::new(),
        end_processors: Vec::new(),
        id_generator: None,
        error_handler: None,
        shutdown_timeout: None,
        exit_handler: true,
        signal_handler: false,
        global: true,
        slots: Slots::default(),
        red: RedRequest::default(),
        ebpf: None,
        tracezip: TracezipRequest::default(),
    }
}

/// The service.
impl EnhancedPipeline {
    /// The attribute `service.name`. Environment: `OTEL_SERVICE_NAME`, then `service.name` in
    /// `OTEL_RESOURCE_ATTRIBUTES`. Default: `unknown_service:` and the name of the executable.
    pub fn with_service_name(mut self, name: impl Into<String>) -> Self {
        self.overrides.service_name = Some(name.into());
        self
    }

    /// The attribute `service.version`. Environment: `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    pub fn with_service_version(mut self, version: impl Into<String>) -> Self {
        self.overrides.service_version = Some(version.into());
        self
    }

    /// The attribute `deployment.environment.name`, such as `production`. Environment:
    /// `OTEL_RESOURCE_ATTRIBUTES`. Default: none.
    pub fn with_environment(mut self, name: impl Into<String>) -> Self {
        self.overrides.environment = Some(name.into());
        self
    }

    /// Further attributes of the service; they win over `OTEL_RESOURCE_ATTRIBUTES` and over what is
    /// detected. Repeated calls add up.
    pub fn with_resource_attributes(
        mut self,
        attributes: impl IntoIterator<Item = KeyValue>,
    ) -> Self {
        self.overrides.resource_attributes.extend(attributes);
        self
    }

    /// A resource made by hand. Its attributes win over `OTEL_RESOURCE_ATTRIBUTES` and over what is
    /// detected; the more specific methods win over it.
    pub fn with_resource(mut self, resource: Resource) -> Self {
        self.overrides.resource = Some(resource);
        self
    }
}

/// What records and carries spans.
impl EnhancedPipeline {
    /// Exports through an exporter of one's own. Its panics are caught, and each export ends after the
    /// export timeout at the latest, if it is asynchronous.
    ///
    /// An exporter that needs a runtime or a blocking client is better made by
    /// [`with_exporter_fn`](Self::with_exporter_fn).
    pub fn with_exporter<E: SpanExporter + 'static>(self, exporter: E) -> Self {
        self.with_exporter_fn(move || exporter)
    }

    /// The same, with an exporter that is made during the install: on a plain thread that has our
    /// runtime entered, so that exporters with a blocking client and exporters that want a tokio runtime
    /// can both be made, wherever the install is called. A panic in `make` is an
    /// [`InitError::ExporterPanicked`](crate::InitError::ExporterPanicked).
    pub fn with_exporter_fn<E, F>(mut self, make: F) -> Self
    where
        E: SpanExporter + 'static,
        F: FnOnce() -> E + Send + 'static,
    {
        self.overrides.exporter = Some(ExporterKind::Custom);
        self.exporter = Some(Box::new(move || export::boxed(make())));
        self
    }

    /// Adds a processor, which sees every span beside the exporting one, unchanged. The second
    /// processor of a pipeline costs a deep copy of each span.
    ///
    /// With the extension `performance` such a processor costs more: what `on_start` gets is a span of
    /// the SDK, so every span is one, and no span is on the fast path. A processor that does nothing
    /// there belongs into [`with_end_processor`](Self::with_end_processor).
    pub fn with_span_processor<P: SpanProcessor + 'static>(mut self, processor: P) -> Self {
        self.processors.push(Box::new(processor));
        self
    }

    /// Adds a processor that looks at ended spans only: its `on_start` is not called where the extension
    /// `performance` is on, which keeps its fast path. `on_end` is called soon after the end then, as a
    /// rule on a thread of ours, and the span that was active is not. Without the extension it is the
    /// same as [`with_span_processor`](Self::with_span_processor).
    pub fn with_end_processor<P: SpanProcessor + 'static>(mut self, processor: P) -> Self {
        self.end_processors.push(Box::new(processor));
        self
    }

    /// Decides which spans are recorded. Environment: `OTEL_TRACES_SAMPLER` and
    /// `OTEL_TRACES_SAMPLER_ARG`. Default: as the parent decided, and every root.
    pub fn with_sampler<S: ShouldSample + 'static>(mut self, sampler: S) -> Self {
        // The SDK takes any number for a ratio; as settings it is checked when the pipeline is installed.
        // And of what is known the fast path need not ask.
        let known = match (&sampler as &dyn Any).downcast_ref() {
            Some(Sampler::TraceIdRatioBased(ratio)) => Some(SamplerChoice::TraceIdRatio(*ratio)),
            Some(Sampler::AlwaysOn) => Some(SamplerChoice::AlwaysOn),
            Some(Sampler::AlwaysOff) => Some(SamplerChoice::AlwaysOff),
            _ => None,
        };
        self.sampler = match known {
            Some(_) => None,
            None => Some(Box::new(sampler)),
        };
        self.overrides.sampler = known;
        self
    }

    /// Records this part of the traces that begin here, 0.0 to 1.0, and follows the parent's decision
    /// elsewhere. Environment and default as for [`with_sampler`](Self::with_sampler).
    pub fn with_sampling_ratio(mut self, ratio: f64) -> Self {
        self.overrides.sampler = Some(SamplerChoice::ParentBasedTraceIdRatio(ratio));
        self.sampler = None;
        self
    }

    /// Makes trace and span ids. Default: random ones, which stay different after a fork.
    pub fn with_id_generator<G: IdGenerator + 'static>(mut self, generator: G) -> Self {
        #[cfg(feature = "tracezip")]
        {
            // Receivers of tracezip are told how to count these.
            self.tracezip.ids = (&generator as &dyn Any).downcast_ref().cloned();
        }
        self.id_generator = Some(Box::new(generator));
        self
    }

    /// Carries context between services. Repeated calls add up, and replace environment and default.
    /// Environment: `OTEL_PROPAGATORS`. Default: W3C trace context and baggage.
    pub fn with_propagator<P>(mut self, propagator: P) -> Self
    where
        P: TextMapPropagator + Send + Sync + 'static,
    {
        let propagators = self.propagators.get_or_insert_default();
        propagators.push(Box::new(propagator));
        self
    }

    /// Carries no context between services, whatever the environment says.
    pub fn with_no_propagators(mut self) -> Self {
        self.propagators = Some(Vec::new());
        self
    }
}

/// The extensions.
impl EnhancedPipeline {
    /// Writes OTLP requests in one pass instead of through the official messages (feature `simd`): the
    /// same bytes in a fifth to an eighth of the time. It is for OTLP over HTTP and gRPC; beside an exporter that is
    /// not OTLP it is an [`InitError::InvalidArgument`](crate::InitError::InvalidArgument), and without the
    /// feature an [`InitError::FeatureMissing`](crate::InitError::FeatureMissing). Default: off.
    ///
    /// ```
    /// use otel_enhance::pipeline::new_enhanced_pipeline;
    ///
    /// # fn main() -> Result<(), otel_enhance::InitError> {
    /// let _guard = new_enhanced_pipeline()
    ///     .with_service_name("shop")
    ///     .with_otlp_http()
    ///     .with_simd_optimization(cfg!(feature = "simd"))
    ///     .install_batch()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_simd_optimization(mut self, enabled: bool) -> Self {
        self.slots.encoder = if enabled {
            Encoder::OnePass
        } else {
            Encoder::Official
        };
        self
    }
}

/// The pipeline in its process.
impl EnhancedPipeline {
    /// Takes the messages of the log channel instead of stderr: outages, losses, faults of the
    /// environment. It runs on export threads and should not block.
    pub fn with_error_handler(mut self, handler: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.error_handler = Some(Arc::new(handler));
        self
    }

    /// How long shutdown may take. Default: 5 s for
    /// [`shutdown`](super::TelemetryGuard::shutdown), 1.5 s when the guard is dropped. Exit and signal
    /// handlers never take more than 1.5 s.
    pub fn with_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = Some(timeout);
        self
    }

    /// Whether `std::process::exit`, and a `main` that returns while the guard lives in a static, flush
    /// first. Default: they do. Unix only: elsewhere `std::process::exit` runs no handlers.
    pub fn with_exit_handler(mut self, enabled: bool) -> Self {
        self.exit_handler = enabled;
        self
    }

    /// Flushes on `SIGTERM` and `SIGINT`, within 1.5 s, and then ends the process as the signal would
    /// have. Default: the signals are left alone.
    ///
    /// A handler that the application installed before is called as before, and then it alone decides
    /// when the process ends. A signal that the process ignores stays ignored. Applications with a
    /// graceful shutdown of their own leave this out, and shut the guard down at its end. Unix only.
    pub fn with_signal_handler(mut self) -> Self {
        self.signal_handler = true;
        self
    }

    /// Whether the official global provider becomes this pipeline's, too. Default: it does. Annotated
    /// functions use this pipeline in any case.
    pub fn with_global(mut self, enabled: bool) -> Self {
        self.global = enabled;
        self
    }
}

impl Default for EnhancedPipeline {
    fn default() -> Self {
        new_enhanced_pipeline()
    }
}

impl fmt::Debug for EnhancedPipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnhancedPipeline")
            .field("overrides", &self.overrides)
            .field("sampler", &self.sampler)
            .field("processors", &self.processors)
            .field("end_processors", &self.end_processors)
            .field("slots", &self.slots)
            .field("red", &self.red)
            .field("ebpf", &self.ebpf)
            .field("tracezip", &self.tracezip)
            .finish_non_exhaustive()
    }
}
