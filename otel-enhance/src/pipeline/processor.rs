//! The application's own processors and id generator, boxed for the official builder.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{IdGenerator, Span, SpanData, SpanProcessor};

#[cfg(feature = "simd")]
use crate::extensions::simd;
use crate::lifecycle::generation;

/// A processor that the application gave to the builder.
#[derive(Debug)]
pub(super) struct ForeignProcessor {
    inner: Box<dyn SpanProcessor>,
    generation: u32,
    /// The SDK gives every processor the whole timeout; together they get it once.
    deadline: Arc<OnceLock<Instant>>,
    hides: Hides,
}

/// Spans that the sampler drops are recorded for RED metrics, which is no business of other processors.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hides {
    /// None is recorded.
    Nothing,
    /// The sampler never says "record only".
    #[cfg(feature = "simd")]
    Unsampled,
    /// Those that bear a mark, which is an attribute: a span whose own attributes reach their limit has
    /// no room for it, and is seen at its end.
    #[cfg(feature = "simd")]
    Marked,
}

impl ForeignProcessor {
    pub(super) fn new(
        inner: Box<dyn SpanProcessor>,
        deadline: Arc<OnceLock<Instant>>,
        hides: Hides,
    ) -> Self {
        Self {
            inner,
            generation: generation(),
            deadline,
            hides,
        }
    }
}

impl SpanProcessor for ForeignProcessor {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        let is_hidden = match self.hides {
            Hides::Nothing => false,
            #[cfg(feature = "simd")]
            Hides::Unsampled | Hides::Marked => simd::starts_dropped(),
        };
        if !is_hidden {
            self.inner.on_start(span, cx);
        }
    }

    fn on_end(&self, span: SpanData) {
        let is_hidden = match self.hides {
            Hides::Nothing => false,
            #[cfg(feature = "simd")]
            Hides::Unsampled => !span.span_context.is_sampled(),
            #[cfg(feature = "simd")]
            Hides::Marked => simd::is_dropped(&span),
        };
        if !is_hidden {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if self.generation != generation() {
            // A forked child: whatever threads it has are its parent's.
            return Ok(());
        }
        let deadline = *self.deadline.get_or_init(|| Instant::now() + timeout);
        self.inner
            .shutdown_with_timeout(deadline.saturating_duration_since(Instant::now()))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// A processor in two places: the official provider, and the fast path beside it.
#[derive(Clone, Debug)]
pub(super) struct SharedProcessor(Arc<ForeignProcessor>);

impl SharedProcessor {
    pub(super) fn new(mut processor: ForeignProcessor, resource: &Resource) -> Self {
        processor.set_resource(resource);
        Self(Arc::new(processor))
    }
}

impl SpanProcessor for SharedProcessor {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.0.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
}

/// An id generator that the application gave to the builder.
#[derive(Debug)]
pub(super) struct ForeignIds(pub(super) Arc<dyn IdGenerator>);

impl IdGenerator for ForeignIds {
    fn new_trace_id(&self) -> TraceId {
        self.0.new_trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
