//! The pool as an exporter by itself.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::super::erased::{ErasedExporter, Shared};
use super::super::log::{ErrorHandler, Log, Report, ReportKind};
use super::super::report::Delivery;
use super::super::runtime::ExportRuntime;
use crate::InitError;
use crate::config::{self, Compression, Env, Overrides, Protocol, TlsSettings};
use crate::wrappers::DeliveryWatch;

/// An OTLP exporter that keeps connections to every address of every endpoint.
///
/// Requests are spread over the addresses: each goes to the one with the fewest under way. One that
/// fails is left alone for a while, and the request goes to another at once; names are looked up anew
/// after a failure, and every minute. What the OTLP specification calls retryable is retried within
/// the timeout, with backoff and jitter, as `Retry-After` and `RetryInfo` ask, and as far as the
/// retries of the whole process allow (16 at once, 4 a second after that), so that the end of an outage
/// is no stampede. What a receiver rejected of a request that it took is counted, and never resent.
///
/// The endpoints must be equal: each span goes to one of them.
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use otel_enhance::extensions::performance::{BatchOptimizedExporter, ConnectionPoolExporter};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = ConnectionPoolExporter::builder()
///     .with_endpoint("http://collector-a:4318")
///     .with_endpoint("http://collector-b:4318")
///     .build()?;
/// let provider = SdkTracerProvider::builder()
///     .with_span_processor(BatchOptimizedExporter::wrap(exporter).build()?)
///     .build();
/// # provider.shutdown()?;
/// # Ok(())
/// # }
/// ```
///
/// It works on any thread and in any runtime, and under any processor; exports may run at once.
#[derive(Debug)]
pub struct ConnectionPoolExporter {
    inner: ErasedExporter,
    delivery: Arc<Delivery>,
}

/// Settles what a [`ConnectionPoolExporter`] does.
#[derive(Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ConnectionPoolExporterBuilder {
    overrides: Overrides,
    handler: Option<ErrorHandler>,
}

impl std::fmt::Debug for ConnectionPoolExporterBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionPoolExporterBuilder")
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

impl ConnectionPoolExporter {
    /// Begins an exporter. What is left out comes from the environment and the defaults, as for
    /// [`init!`](crate::init).
    pub fn builder() -> ConnectionPoolExporterBuilder {
        ConnectionPoolExporterBuilder::default()
    }

    /// The account of what this exporter gets, readable after it has gone into a processor.
    #[must_use]
    pub fn watch(&self) -> DeliveryWatch {
        DeliveryWatch::new(Arc::clone(&self.delivery))
    }
}

impl ConnectionPoolExporterBuilder {
    /// A receiver's address, such as `http://collector:4318`; repeated calls add up. Over HTTP,
    /// `/v1/traces` is appended where the path does not end with it. Environment:
    /// `OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT`. Default: `http://localhost:4318`, over gRPC
    /// `http://localhost:4317`.
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.overrides
            .endpoints
            .get_or_insert_default()
            .push(url.into());
        self
    }

    /// How OTLP travels. Environment: `OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL`. Default:
    /// [`Protocol::HttpProtobuf`].
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.overrides.protocol = Some(protocol);
        self
    }

    /// A header of each request; repeated calls add up. Environment:
    /// `OTEL_EXPORTER_OTLP_(TRACES_)HEADERS`. Default: none.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.headers.push((name.into(), value.into()));
        self
    }

    /// Compression of requests (features `gzip`, `zstd`). Environment:
    /// `OTEL_EXPORTER_OTLP_(TRACES_)COMPRESSION`. Default: none.
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.overrides.compression = Some(compression);
        self
    }

    /// One export, its retries included. Environment: `OTEL_EXPORTER_OTLP_(TRACES_)TIMEOUT`, in
    /// milliseconds. Default: 10 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.overrides.timeout = Some(timeout);
        self
    }

    /// Certificates and keys for `https` endpoints (feature `tls`). Environment:
    /// `OTEL_EXPORTER_OTLP_(TRACES_)CERTIFICATE` and its kin. Default: the system's authorities.
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.overrides.tls = tls;
        self
    }

    /// Takes the messages that go to stderr otherwise.
    pub fn with_error_handler(mut self, handler: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.handler = Some(Arc::new(handler));
        self
    }

    /// Makes the exporter. It opens its first connection with the first export.
    ///
    /// # Errors
    ///
    /// [`InitError::InvalidArgument`] for a value that is not usable; [`InitError::FeatureMissing`] for
    /// what this build leaves out; [`InitError::Runtime`] if its thread cannot be started.
    pub fn build(self) -> Result<ConnectionPoolExporter, InitError> {
        let env = Env::process();
        let log = Log::with_handler(self.handler);
        let (settings, diagnostics) = config::otlp_alone(&self.overrides, &env)?;
        for diagnostic in diagnostics.as_slice() {
            log.report(ReportKind::Diagnostic, diagnostic.to_string());
        }
        let names: Vec<_> = settings.iter().map(|one| one.endpoint.as_str()).collect();
        let name = names.join(", ");
        let delivery = Arc::new(Delivery::default());
        let shared = Shared {
            delivery: Arc::clone(&delivery),
            log,
            runtime: ExportRuntime::new()?,
        };
        let timeout = settings[0].timeout;
        let sink = super::super::pooled(settings, &super::super::Writing::default(), &shared)?;
        Ok(ConnectionPoolExporter {
            // The sink keeps the time itself; a little more lets it say why it gave up.
            inner: ErasedExporter::new(
                vec![(name, true, sink)],
                timeout + Duration::from_secs(1),
                None,
                shared,
            ),
            delivery,
        })
    }
}

impl SpanExporter for ConnectionPoolExporter {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let sampled = batch.iter().filter(|span| span.span_context.is_sampled());
        self.delivery.ended(sampled.count() as u64);
        self.inner.export_anywhere(batch)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
