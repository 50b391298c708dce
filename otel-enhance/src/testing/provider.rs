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
        crate::set_tracer_provider(provider.clone());
        provider
    })
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
        let id = u64::from_be_bytes(span.span_context.span_id().to_bytes());
        if let Some(spans) = captures().get_mut(&CaptureNumber(id >> COUNT_BITS))
            && spans.len() < MAX_SPANS
        {
            spans.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
