//! From settings to a pipeline that runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracerProvider, ShouldSample};

use super::account::Account;
use super::builder::{CustomExporter, EnhancedPipeline, Propagator};
use super::guard::TelemetryGuard;
use super::ids::ForkSafeIdGenerator;
use super::installed::Installed;
use super::processor::{ForeignIds, ForeignProcessor, SharedProcessor};
use super::queue::ExportQueue;
use super::red::Red;
use super::slot::{self, Reservation};
use super::slots::{Encoder, Queue, Slots, Transport};
use super::span_path::{Parts, SpanPath, Spans};
use super::span_queue::SpanQueue;
use crate::config::{self, Env, ExporterKind, Settings};
use crate::export::log::{Log, ReportKind};
use crate::export::report::Delivery;
use crate::export::runtime::ExportRuntime;
use crate::export::{LimitsHook, Shared, Sink, Writing};
#[cfg(feature = "performance")]
use crate::extensions::performance::{self, BatchQueue, Engine};
use crate::{InitError, export, lifecycle};

static INSTALLS: AtomicU64 = AtomicU64::new(0);

/// The install.
impl EnhancedPipeline {
    /// Installs the pipeline with batching: annotated functions and the official global provider use
    /// it until the guard is shut down or dropped.
    ///
    /// # Errors
    ///
    /// [`InitError::AlreadyInstalled`] while the guard of an earlier install lives;
    /// [`InitError::InvalidArgument`] for a value in code that is not usable;
    /// [`InitError::FeatureMissing`] for what this build leaves out; [`InitError::Exporter`] and
    /// [`InitError::ExporterPanicked`] if the exporter cannot be made; [`InitError::Runtime`] if a
    /// thread cannot be started.
    pub fn install_batch(self) -> Result<TelemetryGuard, InitError> {
        self.install(Batching::AsSet)
    }

    /// Installs the pipeline without batching: each span is an export of its own, begun when the span
    /// ends, on our thread. For debugging and for programs with few spans.
    ///
    /// # Errors
    ///
    /// As [`install_batch`](Self::install_batch).
    pub fn install_simple(self) -> Result<TelemetryGuard, InitError> {
        self.install(Batching::OneByOne)
    }

    /// Whether what the code asks of the extensions can be had: they must do something, or say why not.
    fn check_extensions(&self) -> Result<(), InitError> {
        super::ebpf::check(self.ebpf.as_ref())?;
        self.check_tracezip()?;
        if self.slots.encoder == Encoder::Official {
            return Ok(());
        }
        if !cfg!(feature = "simd") {
            return Err(InitError::FeatureMissing {
                argument: "simd",
                feature: "simd",
            });
        }
        match self.overrides.exporter {
            Some(ExporterKind::Custom | ExporterKind::Stdout) => Err(InitError::InvalidArgument {
                argument: "simd",
                value: "beside an exporter that is not OTLP".to_owned(),
                expected: "an OTLP exporter, whose destination is known; an exporter made by hand \
                           can be wrapped in `extensions::simd::SimdSpanExporter`; for RED metrics \
                           alone `simd(encode = false, red_metrics = true)`"
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn install(self, batching: Batching) -> Result<TelemetryGuard, InitError> {
        self.check_extensions()?;
        let reservation = slot::reserve()?;
        let red = self.red.max_series()?;
        let env = Env::process();
        let (mut settings, mut diagnostics) = config::resolve(self.overrides, &env)?;
        let writing = Writing {
            encoder: self.slots.encoder,
            #[cfg(feature = "tracezip")]
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            frames: self.tracezip.frames(
                self.slots.coding,
                self.id_generator.is_some(),
                &settings,
                &env,
                &mut diagnostics,
            ),
        };
        export::diagnose(&settings, &mut diagnostics);
        if let Batching::OneByOne = batching {
            settings.batch.max_export_batch_size = 1;
        }
        let log = Log::with_handler(self.error_handler);
        for diagnostic in diagnostics.as_slice() {
            log.report(ReportKind::Diagnostic, diagnostic.to_string());
        }
        let id = INSTALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let mut installed = Installed {
            id,
            generation: lifecycle::generation(),
            provider: no_provider(&settings),
            resource: settings.resource.clone(),
            diagnostics,
            path: SpanPath::sdk(Spans::Sdk),
            queue: None,
            log,
            shutdown_timeout: self.shutdown_timeout,
            #[cfg(feature = "simd")]
            red: None,
            #[cfg(feature = "ebpf")]
            ebpf: Mutex::new(None),
            #[cfg(feature = "tracezip")]
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            tracezip: writing.frames.as_ref().map(export::frames::Frames::watch),
            #[cfg(otel_enhance_has_ebpf)]
            profiles: Mutex::new(None),
            registration: Mutex::new(None),
            ended: AtomicBool::new(false),
        };
        if settings.disabled {
            set_propagators(&settings, self.propagators);
            return Ok(publish(reservation, installed));
        }
        lifecycle::arm(self.exit_handler).map_err(InitError::Runtime)?;
        #[cfg(feature = "ebpf")]
        let ebpf = self.ebpf.as_ref().map(|settings_of_ebpf| {
            let lease = crate::extensions::ebpf::open(settings_of_ebpf);
            lease.publish(&settings.resource);
            let handle = lease.handle();
            installed
                .log
                .report(ReportKind::Notice, handle.status().to_string());
            if handle.settings() != settings_of_ebpf {
                installed.log.report(
                    ReportKind::Diagnostic,
                    "ebpf: a session was open already; what it was opened with holds, and not what this pipeline asks for",
                );
            }
            lease
        });
        #[cfg(otel_enhance_has_ebpf)]
        if let (Some(asked), Some(lease)) = (&self.ebpf, &ebpf) {
            use super::profiles::ProfileExports;
            let handle = lease.handle();
            let exports = ProfileExports::start(asked, handle, &settings, &installed.log)?;
            installed.profiles = Mutex::new(exports);
        }
        installed.queue = build_queue(
            self.slots,
            Seen {
                starting: !self.processors.is_empty(),
                ended: !self.end_processors.is_empty(),
            },
            self.exporter,
            &writing,
            &settings,
            &installed.log,
            installed.default_timeout(),
        )?;

        let red = Red::start(red, &settings)?;
        let hides = red.hides(self.sampler.is_some());
        let deadline = Arc::new(OnceLock::new());
        let end_processors: Vec<_> = self
            .end_processors
            .into_iter()
            .map(|processor| {
                let processor = ForeignProcessor::new(processor, Arc::clone(&deadline), hides);
                SharedProcessor::new(processor, &settings.resource)
            })
            .collect();
        let ids: Option<Arc<dyn IdGenerator>> = self.id_generator.map(Arc::from);
        #[cfg(feature = "tracezip")]
        #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
        let counted = writing
            .frames
            .as_ref()
            .and_then(|frames| frames.ids.clone());
        #[cfg(feature = "tracezip")]
        #[cfg(not(any(feature = "otlp-http", feature = "otlp-grpc")))]
        let counted: Option<crate::extensions::tracezip::TracezipIdGenerator> = None;
        let asked = ids.as_ref();
        // The fast path need not ask for these.
        #[cfg(feature = "tracezip")]
        let asked = asked.filter(|_| counted.is_none());
        installed.path = SpanPath::choose(
            &self.slots,
            Parts {
                settings: &settings,
                one_by_one: matches!(batching, Batching::OneByOne),
                has_processors: !self.processors.is_empty(),
                end_processors: &end_processors,
                sampler: self.sampler.as_deref(),
                ids: asked,
                #[cfg(feature = "tracezip")]
                counted: counted.clone(),
                queue: installed.queue.as_ref(),
                red: &red,
            },
        )?;
        #[cfg(feature = "simd")]
        {
            installed.red = red.metrics(&installed.path);
        }
        if installed.path.spans() == Spans::SdkForProcessor {
            installed
                .log
                .report(ReportKind::Notice, installed.path.spans().to_string());
        }

        let mut provider = SdkTracerProvider::builder()
            .with_resource(settings.resource.clone())
            .with_sampler(red.sampler(self.sampler.unwrap_or_else(|| sampler(&settings)), hides))
            .with_span_limits(settings.limits.into());
        #[cfg(feature = "tracezip")]
        let ids = ids.or_else(|| Some(Arc::new(counted?)));
        provider = match ids {
            Some(generator) => provider.with_id_generator(ForeignIds(generator)),
            None => provider.with_id_generator(ForkSafeIdGenerator),
        };
        // Ours is first, so that it gets the whole of a shutdown's time.
        provider = match &installed.queue {
            Some(queue) => {
                queue.attach(provider, installed.default_timeout(), &installed.path, &red)
            }
            None => red.attach_alone(provider, &installed.path),
        };
        for processor in self.processors {
            let processor = ForeignProcessor::new(processor, Arc::clone(&deadline), hides);
            provider = provider.with_span_processor(processor);
        }
        for processor in end_processors {
            provider = provider.with_span_processor(processor);
        }
        installed.provider = provider.build();

        if self.signal_handler {
            lifecycle::arm_signals().map_err(InitError::Runtime)?;
        }
        // Nothing fails from here on.
        #[cfg(feature = "ebpf")]
        {
            installed.ebpf = Mutex::new(ebpf);
        }
        set_propagators(&settings, self.propagators);
        if self.global {
            installed.path.set_global(&installed.provider, id);
        }
        let registration = installed.path.register(&installed.provider);
        installed.registration = Mutex::new(Some(registration));
        Ok(publish(reservation, installed))
    }
}

enum Batching {
    AsSet,
    OneByOne,
}

fn publish(reservation: Reservation, installed: Installed) -> TelemetryGuard {
    let installed = Arc::new(installed);
    reservation.publish(Arc::clone(&installed));
    TelemetryGuard::new(installed)
}

/// A provider that records nothing: `OTEL_SDK_DISABLED`. It is neither the global one nor the one of
/// annotated functions, because only where there is no provider at all does the context of a caller
/// pass through unchanged.
fn no_provider(settings: &Settings) -> SdkTracerProvider {
    let provider = SdkTracerProvider::builder()
        .with_resource(settings.resource.clone())
        .with_sampler(Sampler::AlwaysOff)
        .build();
    // Without processors there is nothing that could fail.
    let _ = provider.shutdown();
    provider
}

pub(super) fn sampler(settings: &Settings) -> Box<dyn ShouldSample> {
    Box::new(config::sampler::build(settings.sampler))
}

fn set_propagators(settings: &Settings, in_code: Option<Vec<Propagator>>) {
    let propagator = match in_code {
        Some(propagators) => TextMapCompositePropagator::new(propagators),
        None => config::propagator::build(&settings.propagators),
    };
    opentelemetry::global::set_text_map_propagator(propagator);
}

/// Which spans processors of the application's see.
#[derive(Clone, Copy)]
struct Seen {
    starting: bool,
    ended: bool,
}

/// Exporter and queue, or `None` where nothing is exported.
fn build_queue(
    slots: Slots,
    seen: Seen,
    custom: Option<CustomExporter>,
    writing: &Writing,
    settings: &Settings,
    log: &Log,
    timeout: std::time::Duration,
) -> Result<Option<SpanQueue>, InitError> {
    let kinds: Vec<ExporterKind> = settings
        .exporters
        .iter()
        .copied()
        .filter(|kind| *kind != ExporterKind::None)
        .collect();
    if kinds.is_empty() {
        return Ok(None);
    }
    let Slots {
        spans,
        queue,
        encoder: _,
        coding: _,
        transport: Transport::Official,
    } = slots;
    #[cfg(not(feature = "performance"))]
    {
        // What they decide is how spans of the fast path wait.
        let _ = (spans, seen.starting, seen.ended);
    }
    let delivery = Arc::new(Delivery::default());
    let runtime = ExportRuntime::new()?;
    let custom: Option<Box<dyn Sink>> = match custom {
        Some(make) => Some(runtime.build_guarded(make)?),
        None => None,
    };
    let span_limits = settings.limits;
    let limits: LimitsHook = Arc::new(move |span| {
        config::limits::apply(&span_limits, span);
        #[cfg(feature = "ebpf")]
        crate::extensions::ebpf::unload(span);
    });
    let shared = Shared {
        delivery: Arc::clone(&delivery),
        log: log.clone(),
        runtime: runtime.clone(),
    };
    let exporter = export::build(&kinds, settings, custom, Some(limits), writing, shared)?;
    match queue {
        Queue::Official => {
            // The official queue holds `SpanData`, whatever spans are and whoever sees them.
            let _ = (spans, seen.starting, seen.ended);
            let account = Arc::new(Account::new(delivery, settings.batch.max_queue_size));
            let queue = ExportQueue::start(
                exporter,
                settings.batch,
                &settings.resource,
                account,
                runtime,
                timeout,
            )?;
            Ok(Some(SpanQueue::Official(queue)))
        }
        #[cfg(feature = "performance")]
        Queue::Pipelined => {
            let is_fast = matches!(spans, super::slots::Spans::Records) && !seen.starting;
            let fast = is_fast.then_some(seen);
            Ok(Some(pipelined(
                fast, exporter, settings, delivery, runtime,
            )?))
        }
    }
}

/// The queue of the extension `performance`, with its first thread; `fast` where spans are records.
#[cfg(feature = "performance")]
fn pipelined(
    fast: Option<Seen>,
    mut exporter: export::ErasedExporter,
    settings: &Settings,
    delivery: Arc<Delivery>,
    runtime: ExportRuntime,
) -> Result<SpanQueue, InitError> {
    use opentelemetry_sdk::trace::SpanExporter as _;

    let tuning = settings.performance.unwrap_or_default();
    // The official trait promises exporters that exports come one after the other.
    let in_flight = settings
        .exporters
        .contains(&ExporterKind::Custom)
        .then_some(1);
    let bounds = performance::bounds(&tuning, &settings.batch, in_flight)?;
    exporter.set_resource(&settings.resource);
    let account = Arc::new(Account::new(Arc::clone(&delivery), usize::MAX));
    let policy = tuning.drop_policy;
    // The SDK's spans end on the application's threads, which must not encode.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    if fast.is_some() && exporter.encoded().is_some() {
        let written = performance::WrittenDelivery::new(exporter, settings.limits);
        let queue = BatchQueue::new(bounds, policy);
        return Engine::open(queue, written, account, delivery, runtime).map(SpanQueue::of);
    }
    if fast.is_some_and(|seen| !seen.ended) {
        let records = performance::RecordDelivery(exporter);
        let queue = BatchQueue::new(bounds, policy);
        return Engine::open(queue, records, account, delivery, runtime).map(SpanQueue::of);
    }
    let queue = BatchQueue::new(bounds, policy);
    Engine::open(queue, exporter, account, delivery, runtime).map(SpanQueue::of)
}
