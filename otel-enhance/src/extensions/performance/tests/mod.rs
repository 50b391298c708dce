//! The fast path as a whole, beside the SDK where there is something to compare.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod as_the_sdk;
mod backend;
#[cfg(unix)]
mod fork;
mod futures;
mod quick;
mod threads;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{IdGenerator, Span, SpanData, SpanLimits, SpanProcessor};

use super::{Batches, Ended, FastProvider, HubConfig, Sampling, SpanSink};
use crate::config::UnsampledId;
use crate::span::private::{Callsite, SpanKind};

/// Where an annotated function is.
fn callsite() -> &'static Callsite {
    Box::leak(Box::new(Callsite::new(
        Some("function"),
        SpanKind::Internal,
        ("crate", None),
        || "crate::function::Marker",
        None,
    )))
}

/// What a sink, or a processor, was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    spans: Mutex<Vec<SpanData>>,
    started: AtomicU64,
    forked: AtomicU64,
}

impl Told {
    pub(super) fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn len(&self) -> usize {
        self.0
            .spans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    pub(super) fn started(&self) -> u64 {
        self.0.started.load(Ordering::Relaxed)
    }

    #[cfg(unix)]
    pub(super) fn forked(&self) -> u64 {
        self.0.forked.load(Ordering::Relaxed)
    }

    fn push(&self, span: SpanData) {
        let mut spans = self.0.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.push(span);
    }
}

impl SpanSink for Told {
    fn started(&self, spans: u64) {
        self.0.started.fetch_add(spans, Ordering::Relaxed);
    }

    fn ended(&self, span: Ended) {
        self.push(span.into_span_data());
    }

    fn forked(&self) {
        self.0.forked.fetch_add(1, Ordering::Relaxed);
    }
}

impl SpanProcessor for Told {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The same ids in the same order.
#[derive(Debug, Default)]
pub(super) struct Counting(AtomicU64);

impl IdGenerator for Counting {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

pub(super) const BATCHES: Batches = Batches {
    ring: 64,
    backlog: 1 << 20,
};

/// What is installed is the process's: whoever installs something does so alone.
pub(super) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn config(told: &Told, batches: Option<Batches>) -> HubConfig {
    HubConfig {
        sampling: Sampling::AsParent { roots: true },
        ids: None,
        #[cfg(feature = "tracezip")]
        counted: None,
        limits: SpanLimits::default(),
        sink: Box::new(told.clone()),
        batches,
        tells_unsampled: false,
        counts_dropped: false,
        unsampled: UnsampledId::New,
    }
}

pub(super) fn provider(told: &Told, batches: Option<Batches>) -> FastProvider {
    FastProvider::new(config(told, batches))
}

/// A provider with counted ids.
pub(super) fn counted(
    told: &Told,
    sampling: Sampling,
    limits: SpanLimits,
    batches: Option<Batches>,
) -> FastProvider {
    FastProvider::new(HubConfig {
        sampling,
        ids: Some(Box::<Counting>::default()),
        limits,
        ..config(told, batches)
    })
}

pub(super) fn collect(provider: &FastProvider) {
    provider.collect(Instant::now() + Duration::from_secs(10));
}

pub(super) fn close(provider: &FastProvider) {
    provider.close(Instant::now() + Duration::from_secs(10));
}
