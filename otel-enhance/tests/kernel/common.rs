//! What the tests share.

use std::sync::{Arc, Mutex};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use otel_enhance::extensions::ebpf::Tier;
use otel_enhance::{EnhancedPipeline, TelemetryGuard, Value, new_enhanced_pipeline};
pub(crate) use otel_enhance_kernel_tests::*;

/// Keeps what is exported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(pub(crate) Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    pub(crate) fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// What spans are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Sdk,
    Fast,
}

pub(crate) const BOTH: [Path; 2] = [Path::Sdk, Path::Fast];

/// A pipeline with figures, and what it exports.
pub(crate) fn install(path: Path) -> (TelemetryGuard, Kept) {
    install_with(path, |pipeline| pipeline.with_ebpf_profiling(true))
}

pub(crate) fn install_with(
    path: Path,
    set: impl FnOnce(EnhancedPipeline) -> EnhancedPipeline,
) -> (TelemetryGuard, Kept) {
    let kept = Kept::default();
    let mut pipeline = new_enhanced_pipeline()
        .with_service_name("kernel-tests")
        .with_error_handler(|_| {})
        .with_max_queue_size(100_000)
        .with_exporter(kept.clone());
    if path == Path::Fast {
        pipeline = pipeline.with_performance();
    }
    let guard = set(pipeline).install_batch().unwrap();
    (guard, kept)
}

/// Waits until so many spans are exported: a scope ends when its closures have, which is before its threads are at
/// their end and have handed over what they had.
pub(crate) fn all_exported(guard: &TelemetryGuard, spans: u64) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while guard.delivery().exported < spans && std::time::Instant::now() < end {
        guard.force_flush().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let report = guard.delivery();
    assert_eq!(report.exported, spans, "{report:?}");
}

/// The same, where everything must be there.
pub(crate) fn install_full(path: Path) -> (TelemetryGuard, Kept) {
    let installed = install(path);
    let ebpf = installed.0.ebpf().unwrap();
    assert_eq!(ebpf.tier(), Tier::Full, "{}", ebpf.status());
    installed
}

/// The integer attribute of a span.
pub(crate) fn number(span: &SpanData, key: &str) -> Option<u64> {
    let found = span.attributes.iter().find(|a| a.key.as_str() == key)?;
    match found.value {
        Value::I64(value) => Some(u64::try_from(value).unwrap()),
        _ => None,
    }
}

/// Figures of a span, as its attributes have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) cpu: u64,
    pub(crate) blocked: u64,
    pub(crate) run_queue: u64,
    pub(crate) voluntary: u64,
    pub(crate) involuntary: u64,
    pub(crate) page_faults: u64,
}

impl Shares {
    pub(crate) fn total(span: &SpanData) -> Option<Self> {
        Self::behind(span, "otel_enhance.")
    }

    /// Without nested spans.
    pub(crate) fn own(span: &SpanData) -> Option<Self> {
        Self::behind(span, "otel_enhance.self.").or_else(|| Self::total(span))
    }

    fn behind(span: &SpanData, prefix: &str) -> Option<Self> {
        let share = |name: &str| number(span, &format!("{prefix}{name}"));
        Some(Self {
            cpu: share("cpu.time")?,
            blocked: share("blocked.time")?,
            run_queue: share("run_queue.time")?,
            voluntary: share("context_switches.voluntary")?,
            involuntary: share("context_switches.involuntary")?,
            page_faults: share("page_faults")?,
        })
    }

    pub(crate) fn active(&self) -> u64 {
        self.cpu + self.blocked + self.run_queue
    }
}
