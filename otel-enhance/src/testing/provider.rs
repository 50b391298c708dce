//! The provider that all captures of a process share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SdkTracerProvider, Span, SpanData, SpanProcessor,
};

/// The number of a capture, from 1; an entry of its context and the upper bits of its span ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CaptureNumber(u64);

/// Below the number, each span id counts: 2^40 spans a process, 2^24 captures.
const COUNT_BITS: u32 = 40;

/// More spans than a test means to make; what comes after them is discarded.
const MAX_SPANS: usize = 1 << 20;

static OPEN: OnceLock<Mutex<HashMap<CaptureNumber, Vec<SpanData>>>> = OnceLock::new();

fn captures() -> MutexGuard<'static, HashMap<CaptureNumber, Vec<SpanData>>> {
    OPEN.get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn provider() -> &'static SdkTracerProvider {
    static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let provider = SdkTracerProvider::builder()
            .with_id_generator(MarkingIds)
            .with_span_processor(Router)
            .build();
        #[cfg(feature = "performance")]
        if fast::is_asked_for() {
            fast::install();
            return provider;
        }
        crate::set_tracer_provider(provider.clone());
        provider
    })
}

/// Annotated functions and the global provider on the fast path.
#[cfg(feature = "performance")]
mod fast {
    use std::sync::Arc;

    use opentelemetry_sdk::trace::SpanLimits;

    use super::{MarkingIds, Router};
    use crate::extensions::performance::{
        Ended, FastBackend, FastProvider, HubConfig, Sampling, SpanSink,
    };

    pub(super) fn is_asked_for() -> bool {
        std::env::var_os("OTEL_ENHANCE_TEST_SPANS").is_some_and(|value| value == "fast")
    }

    pub(super) fn install() {
        let provider = FastProvider::new(HubConfig {
            sampling: Sampling::AsParent { roots: true },
            ids: Some(Box::new(MarkingIds)),
            #[cfg(feature = "tracezip")]
            counted: None,
            limits: SpanLimits::default(),
            sink: Box::new(Router),
            // A test looks at its spans as soon as they have ended.
            batches: None,
            tells_unsampled: true,
            counts_dropped: false,
            unsampled: crate::config::UnsampledId::New,
        });
        opentelemetry::global::set_tracer_provider(provider.clone());
        crate::span::replace(Arc::new(FastBackend::new(provider)));
    }

    impl SpanSink for Router {
        fn started(&self, _: u64) {}

        fn ended(&self, span: Ended) {
            self.route(span.into_span_data());
        }

        fn forked(&self) {}
    }
}

pub(super) fn open() -> CaptureNumber {
    static LAST: AtomicU64 = AtomicU64::new(0);
    provider();
    let number = CaptureNumber(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    captures().insert(number, Vec::new());
    number
}

pub(super) fn close(number: CaptureNumber) {
    captures().remove(&number);
}

pub(super) fn spans(number: CaptureNumber) -> Vec<SpanData> {
    captures().get(&number).cloned().unwrap_or_default()
}

/// Marks each span id with the capture in whose context it is made.
#[derive(Debug)]
struct MarkingIds;

impl IdGenerator for MarkingIds {
    fn new_trace_id(&self) -> TraceId {
        RandomIdGenerator::default().new_trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let count = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let number = Context::map_current(|current| {
            current.get::<CaptureNumber>().map_or(0, |number| number.0)
        });
        SpanId::from(number << COUNT_BITS | count)
    }
}

/// Hands each ended span to the capture that its id names.
#[derive(Debug)]
struct Router;

impl SpanProcessor for Router {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.route(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Router {
    fn route(&self, span: SpanData) {
        let id = u64::from_be_bytes(span.span_context.span_id().to_bytes());
        if let Some(spans) = captures().get_mut(&CaptureNumber(id >> COUNT_BITS))
            && spans.len() < MAX_SPANS
        {
            spans.push(span);
        }
    }
}
