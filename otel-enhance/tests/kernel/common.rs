//! What the tests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use otel_enhance::extensions::ebpf::Tier;
use otel_enhance::{EnhancedPipeline, TelemetryGuard, Value, new_enhanced_pipeline};

/// One test at a time: a process has one pipeline, and what each leaves in the kernel is looked for.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn clock() -> u64 {
    time(libc::CLOCK_MONOTONIC)
}

/// The CPU time of this thread as the kernel accounts it.
pub(crate) fn cpu_clock() -> u64 {
    time(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn time(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is valid.
    assert_eq!(unsafe { libc::clock_gettime(clock, &raw mut time) }, 0);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// Computes for at least so long on the wall's clock.
pub(crate) fn spin(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Computes for so much CPU time of this thread.
pub(crate) fn burn(duration: Duration) {
    let end = cpu_clock() + u64::try_from(duration.as_nanos()).unwrap();
    while cpu_clock() < end {
        std::hint::spin_loop();
    }
}

/// Small random numbers, the same on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
