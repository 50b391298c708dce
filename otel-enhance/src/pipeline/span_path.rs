//! What spans are made of while they are open: the SDK's, or records of the extension `performance`.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{
    IdGenerator, SdkTracerProvider, ShouldSample, SpanProcessor, TracerProviderBuilder,
};

use super::global;
use super::processor::SharedProcessor;
use super::red::Red;
use super::slots::{self, Slots};
use super::span_queue::SpanQueue;
use crate::InitError;
use crate::config::Settings;
#[cfg(feature = "performance")]
use crate::extensions::performance::{FastBackend, FastProvider};
use crate::span::{self, ProviderBackend, Registration};
use crate::wrappers::EnhancedTracer;

/// What the spans of a pipeline are made of. See
/// [`TelemetryGuard::spans`](super::TelemetryGuard::spans).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spans {
    /// Spans of the official SDK: the extension `performance` was not asked for.
    Sdk,
    /// Spans of the official SDK, although the extension `performance` was asked for: a processor given
    /// to [`with_span_processor`](super::EnhancedPipeline::with_span_processor) gets them as they start.
    SdkForProcessor,
    /// Records of the extension `performance`.
    Fast,
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sdk => "spans are the SDK's",
            Self::SdkForProcessor => {
                "spans are the SDK's, not the quick ones of `performance`: a processor added by \
                 `with_span_processor` sees them start; if it looks at ended spans only, add it by \
                 `with_end_processor`"
            }
            Self::Fast => "spans are the quick ones of `performance`",
        })
    }
}

/// What the choice depends on, and what spans need.
#[cfg_attr(
    not(feature = "performance"),
    expect(dead_code, reason = "only the fast path needs them")
)]
pub(super) struct Parts<'a> {
    pub(super) settings: &'a Settings,
    pub(super) one_by_one: bool,
    pub(super) has_processors: bool,
    pub(super) end_processors: &'a [SharedProcessor],
    pub(super) sampler: Option<&'a dyn ShouldSample>,
    pub(super) ids: Option<&'a Arc<dyn IdGenerator>>,
    /// Ids that receivers of tracezip count; then no other generator is asked.
    #[cfg(feature = "tracezip")]
    pub(super) counted: Option<crate::extensions::tracezip::TracezipIdGenerator>,
    pub(super) queue: Option<&'a SpanQueue>,
    pub(super) red: &'a Red,
}

/// The chosen path.
#[derive(Debug)]
pub(super) struct SpanPath {
    spans: Spans,
    #[cfg(feature = "performance")]
    fast: Option<FastProvider>,
}

impl SpanPath {
    /// The SDK's spans.
    pub(super) const fn sdk(spans: Spans) -> Self {
        Self {
            spans,
            #[cfg(feature = "performance")]
            fast: None,
        }
    }

    #[cfg_attr(
        not(feature = "performance"),
        expect(unused_variables, reason = "only the fast path needs them")
    )]
    pub(super) fn choose(slots: &Slots, parts: Parts<'_>) -> Result<Self, InitError> {
        match slots.spans {
            slots::Spans::Official => Ok(Self::sdk(Spans::Sdk)),
            #[cfg(feature = "performance")]
            slots::Spans::Records if parts.has_processors => Ok(Self::sdk(Spans::SdkForProcessor)),
            #[cfg(feature = "performance")]
            slots::Spans::Records => Ok(Self {
                spans: Spans::Fast,
                fast: Some(fast::provider(parts)?),
            }),
        }
    }

    pub(super) const fn spans(&self) -> Spans {
        self.spans
    }

    /// What [`collect`](Self::collect) does, for whoever outlives the pipeline.
    #[cfg(feature = "simd")]
    pub(super) fn collector(&self) -> impl Fn(Instant) + Send + Sync + 'static {
        #[cfg(feature = "performance")]
        let fast = self.fast.clone();
        move |deadline| {
            #[cfg(feature = "performance")]
            if let Some(fast) = &fast {
                fast.collect(deadline);
            }
            #[cfg(not(feature = "performance"))]
            let _ = deadline;
        }
    }

    /// Hands over what has ended so far, and is still on its way to the queue.
    pub(super) fn collect(&self, deadline: Instant) {
        #[cfg(feature = "performance")]
        if let Some(fast) = &self.fast {
            fast.collect(deadline);
        }
        #[cfg(not(feature = "performance"))]
        let _ = (self, deadline);
    }

    /// The same, and no span starts from now on.
    pub(super) fn close(&self, deadline: Instant) {
        #[cfg(feature = "performance")]
        if let Some(fast) = &self.fast {
            fast.close(deadline);
        }
        #[cfg(not(feature = "performance"))]
        let _ = (self, deadline);
    }

    /// Gives the official provider the processor of the queue, which after all may be flushed and ended
    /// through that provider, too.
    pub(super) fn attach<P: SpanProcessor + 'static>(
        &self,
        provider: TracerProviderBuilder,
        processor: P,
    ) -> TracerProviderBuilder {
        #[cfg(feature = "performance")]
        if let Some(fast) = &self.fast {
            return provider.with_span_processor(fast::Beside::new(fast.clone(), processor));
        }
        provider.with_span_processor(processor)
    }

    pub(super) fn tracer(
        &self,
        provider: &SdkTracerProvider,
        scope: InstrumentationScope,
    ) -> EnhancedTracer {
        #[cfg(feature = "performance")]
        {
            match &self.fast {
                Some(fast) => EnhancedTracer::Fast(fast.tracer_with_scope(scope)),
                None => EnhancedTracer::Sdk(provider.tracer_with_scope(scope)),
            }
        }
        #[cfg(not(feature = "performance"))]
        provider.tracer_with_scope(scope)
    }

    pub(super) fn set_global(&self, provider: &SdkTracerProvider, id: u64) {
        #[cfg(feature = "performance")]
        if let Some(fast) = &self.fast {
            return global::install(fast.clone(), id);
        }
        global::install(provider.clone(), id);
    }

    pub(super) fn register(&self, provider: &SdkTracerProvider) -> Registration {
        #[cfg(feature = "performance")]
        if let Some(fast) = &self.fast {
            return span::install(Arc::new(FastBackend::new(fast.clone())));
        }
        span::install(Arc::new(ProviderBackend::new(provider.clone())))
    }
}

#[cfg(feature = "performance")]
mod fast {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use opentelemetry::Context;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

    use super::super::install;
    use super::super::processor::{ForeignIds, SharedProcessor};
    use super::{Parts, SpanQueue};
    use crate::InitError;
    use crate::config::SamplerChoice;
    use crate::extensions::performance::{
        Batches, Ended, EndedSpans, FastProvider, Handling, HubConfig, Sampling, SpanSink,
    };
    use crate::extensions::simd::Aggregator;

    /// Spans of one thread that wait for the collector, at most.
    const RING: usize = 1024;
    /// Of the queue's size this part may wait there, so that a small queue stays one.
    const PART_OF_QUEUE: usize = 16;
    /// Spans that wait for the collector beside the rings, in rings.
    const BACKLOG: usize = 4;
    /// The collector looks this often while spans end.
    const TICK: Duration = Duration::from_millis(50);

    pub(super) fn provider(parts: Parts<'_>) -> Result<FastProvider, InitError> {
        let settings = parts.settings;
        let sampling = match (parts.sampler, settings.sampler) {
            (Some(sampler), _) => Sampling::Asked(sampler.box_clone()),
            (None, SamplerChoice::AlwaysOn) => Sampling::Always(true),
            (None, SamplerChoice::AlwaysOff) => Sampling::Always(false),
            (None, SamplerChoice::ParentBasedAlwaysOn) => Sampling::AsParent { roots: true },
            (None, SamplerChoice::ParentBasedAlwaysOff) => Sampling::AsParent { roots: false },
            (None, _) => Sampling::Asked(install::sampler(settings)),
        };
        let ring = (settings.batch.max_queue_size / PART_OF_QUEUE).clamp(1, RING);
        let batches = Batches {
            ring,
            backlog: ring * BACKLOG,
        };
        let provider = FastProvider::new(HubConfig {
            sampling,
            ids: match parts.ids {
                Some(ids) => Some(Box::new(ForeignIds(Arc::clone(ids)))),
                None => None,
            },
            #[cfg(feature = "tracezip")]
            counted: parts.counted,
            limits: settings.limits.into(),
            sink: Box::new(Queued {
                queue: parts.queue.cloned(),
                processors: parts.end_processors.to_vec(),
                red: parts.red.aggregator(),
            }),
            batches: (!parts.one_by_one).then_some(batches),
            tells_unsampled: !parts.end_processors.is_empty(),
            counts_dropped: parts.red.aggregator().is_some(),
            unsampled: settings.performance.unwrap_or_default().unsampled,
        });
        if !parts.one_by_one {
            let tick = TICK.min(settings.batch.scheduled_delay);
            provider.start_collector(tick).map_err(InitError::Runtime)?;
        }
        Ok(provider)
    }

    /// Where ended spans go: the queue, and the processors that look at ended spans.
    #[derive(Debug)]
    struct Queued {
        queue: Option<SpanQueue>,
        processors: Vec<SharedProcessor>,
        red: Option<Arc<Aggregator>>,
    }

    impl Queued {
        /// The span, once RED metrics have it, unless it is there for them only.
        #[inline]
        fn counted(&self, mut span: Ended) -> Option<Ended> {
            let Some(red) = &self.red else {
                return Some(span);
            };
            span.count_by(red);
            (!span.is_dropped()).then_some(span)
        }
    }

    impl SpanSink for Queued {
        fn started(&self, spans: u64) {
            if let Some(queue) = &self.queue {
                queue.account().spans_started(spans);
            }
        }

        fn ended(&self, span: Ended) {
            let Some(span) = self.counted(span) else {
                return;
            };
            if self.queue.is_none() && self.processors.is_empty() {
                return;
            }
            let span = span.into_span_data();
            for processor in &self.processors {
                processor.on_end(span.clone());
            }
            if let Some(queue) = &self.queue {
                queue.take(span);
            }
        }

        fn all_ended(&self, spans: &mut dyn Iterator<Item = Ended>) {
            match &self.queue {
                Some(queue) if self.processors.is_empty() => {
                    queue.take_all(&mut spans.filter_map(|span| self.counted(span)));
                }
                _ => spans.for_each(|span| self.ended(span)),
            }
        }

        fn pass_on(&self, spans: &mut EndedSpans<'_>) {
            match &self.queue {
                Some(queue) => queue.pass_on(spans),
                None => self.all_ended(spans),
            }
        }

        fn forked(&self) {
            if let Some(queue) = &self.queue {
                // It counts the span, and lets nothing in.
                queue.account().admit();
            }
        }

        fn handling(&self) -> Handling {
            let queue = self.queue.as_ref().filter(|_| self.processors.is_empty());
            match queue.map_or(Handling::Takes, SpanQueue::handling) {
                // Metrics look at each.
                Handling::PassesOn if self.red.is_some() => Handling::Takes,
                handling => handling,
            }
        }
    }

    /// The queue's processor at the official provider, whose flush and shutdown take the spans of the
    /// fast path along.
    #[derive(Debug)]
    pub(super) struct Beside<P> {
        fast: FastProvider,
        processor: P,
    }

    /// As long as the SDK's own flush waits.
    const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

    impl<P> Beside<P> {
        pub(super) const fn new(fast: FastProvider, processor: P) -> Self {
            Self { fast, processor }
        }
    }

    impl<P: SpanProcessor> SpanProcessor for Beside<P> {
        fn on_start(&self, span: &mut Span, cx: &Context) {
            self.processor.on_start(span, cx);
        }

        fn on_end(&self, span: SpanData) {
            self.processor.on_end(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            self.fast.collect(Instant::now() + FLUSH_TIMEOUT);
            self.processor.force_flush()
        }

        fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
            let deadline = Instant::now() + timeout;
            self.fast.close(deadline);
            let left = deadline.saturating_duration_since(Instant::now());
            self.processor.shutdown_with_timeout(left)
        }

        fn set_resource(&mut self, resource: &Resource) {
            self.processor.set_resource(resource);
        }
    }
}
