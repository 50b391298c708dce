//! The extension for those who build their provider themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::Span as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use super::handle::EbpfHandle;
use super::system::running::{self, EbpfLease};
use super::system::thread;
use super::{carried, status::Tier};
use crate::config::EbpfSettings;

/// What each span did with its time, for a provider that the application builds itself.
///
/// [`processor`](Self::processor) goes around the processor that exports. Where the exporter is known as well,
/// [`exporter`](Self::exporter) around it takes the making of attributes to the export thread. The session is closed
/// when the extension and everything that it wrapped are dropped.
///
/// # Minimum kernel version
///
/// 5.15 with BTF, and `CAP_BPF` and `CAP_PERFMON` in [`start`](Self::start), for everything; else see [`Tier`].
///
/// ```
/// use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
/// use otel_enhance::extensions::ebpf::{EbpfSettings, EbpfTracerExtension};
/// # use opentelemetry_sdk::{error::OTelSdkResult, trace::{SpanData, SpanExporter}};
/// # #[derive(Debug)] struct TheirExporter;
/// # impl SpanExporter for TheirExporter {
/// #     async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult { Ok(()) }
/// # }
///
/// let ebpf = EbpfTracerExtension::start(&EbpfSettings::new());
/// println!("{}", ebpf.handle().status());
/// let exporter = ebpf.exporter(TheirExporter);
/// let provider = SdkTracerProvider::builder()
///     .with_span_processor(ebpf.processor(BatchSpanProcessor::builder(exporter).build()))
///     .build();
/// otel_enhance::set_tracer_provider(provider.clone());
/// # provider.shutdown().unwrap();
/// ```
#[derive(Debug)]
pub struct EbpfTracerExtension {
    lease: EbpfLease,
    wrapped: Arc<Wrapped>,
}

/// What an extension was put around.
#[derive(Debug, Default)]
struct Wrapped {
    exporter: AtomicBool,
    processor: AtomicBool,
    /// More than one of them: nobody knows which of them the exporter is behind, and all are to have the figures.
    processors: AtomicBool,
}

impl EbpfTracerExtension {
    /// Opens the session, or joins the one that is open in this process, whose settings hold then. Fails never:
    /// [`handle`](Self::handle) tells what there is.
    #[must_use]
    pub fn start(settings: &EbpfSettings) -> Self {
        Self {
            lease: running::open(settings),
            wrapped: Arc::default(),
        }
    }

    /// The session.
    #[must_use]
    pub fn handle(&self) -> EbpfHandle {
        self.lease.handle()
    }

    /// How much this process has.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.handle().tier()
    }

    /// The exporting processor, to which spans come with what they did; where there are several, each of them.
    pub fn processor<P: SpanProcessor>(&self, inner: P) -> EbpfSpanProcessor<P> {
        if self.wrapped.processor.swap(true, Ordering::Relaxed) {
            self.wrapped.processors.store(true, Ordering::Relaxed);
        }
        EbpfSpanProcessor {
            inner,
            wrapped: Some(Arc::clone(&self.wrapped)),
            lease: Some(self.lease.clone()),
        }
    }

    /// The exporter behind it: where it is wrapped, too, attributes are made on the thread that exports.
    pub fn exporter<E: SpanExporter>(&self, inner: E) -> EbpfSpanExporter<E> {
        self.wrapped.exporter.store(true, Ordering::Relaxed);
        EbpfSpanExporter {
            inner,
            _lease: self.lease.clone(),
        }
    }
}

/// A processor that gives spans what they did: see [`EbpfTracerExtension::processor`].
///
/// # Minimum kernel version
///
/// As of [`EbpfTracerExtension`].
#[derive(Debug)]
pub struct EbpfSpanProcessor<P> {
    inner: P,
    /// `None`: there is one, and whoever exports makes the attributes.
    wrapped: Option<Arc<Wrapped>>,
    lease: Option<EbpfLease>,
}

#[cfg(feature = "simd")]
impl<P> EbpfSpanProcessor<P> {
    /// In a pipeline of ours, where the queue's processor does not do it.
    pub(crate) const fn in_pipeline(inner: P) -> Self {
        Self {
            inner,
            wrapped: None,
            lease: None,
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for EbpfSpanProcessor<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        thread::begun(span.span_context());
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, mut span: SpanData) {
        match &self.wrapped {
            Some(wrapped) if wrapped.processors.load(Ordering::Relaxed) => {
                carried::load_for_several(&mut span);
                carried::unload(&mut span);
            }
            Some(wrapped) if !wrapped.exporter.load(Ordering::Relaxed) => {
                carried::load(&mut span);
                carried::unload(&mut span);
            }
            _ => carried::load(&mut span),
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(lease) = &self.lease {
            lease.publish(resource);
        }
        self.inner.set_resource(resource);
    }
}

/// An exporter in front of which attributes are made of what spans did: see [`EbpfTracerExtension::exporter`].
///
/// # Minimum kernel version
///
/// None.
#[derive(Debug)]
pub struct EbpfSpanExporter<E> {
    inner: E,
    _lease: EbpfLease,
}

impl<E: SpanExporter> SpanExporter for EbpfSpanExporter<E> {
    fn export(&self, mut batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        batch.iter_mut().for_each(carried::unload);
        self.inner.export(batch)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
