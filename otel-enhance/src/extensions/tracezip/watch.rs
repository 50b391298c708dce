//! What tracezip saves, and what it met.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// How requests travel at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TracezipMode {
    /// The receiver has not been asked yet.
    #[default]
    Unknown,
    /// Frames that build on one another.
    Stateful,
    /// Frames that stand alone: receivers lost their state too often, or requests go to too many of them.
    SelfContained,
    /// OTLP: the receiver does not speak tracezip. It is asked again about once a minute.
    Otlp,
    /// OTLP, because that is what the code asks for.
    Off,
}

/// Figures of one exporter since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracezipStats {
    /// How requests travel at the moment.
    pub mode: TracezipMode,
    /// Requests delivered as frames.
    pub frames: u64,
    /// Requests delivered as OTLP.
    pub otlp_requests: u64,
    /// Of [`frames`](Self::frames), those of which some part was carried as it was.
    pub partly_raw_frames: u64,
    /// Bytes of OTLP that the delivered frames stand for, uncompressed.
    pub otlp_bytes: u64,
    /// Bytes of the delivered frames.
    pub frame_bytes: u64,
    /// How often a receiver did not hold what a frame built on.
    pub state_losses: u64,
    /// Bytes of state on our side.
    pub state_bytes: usize,
    /// Times that a receiver was asked whether it speaks tracezip.
    pub probes: u64,
    /// Requests sent again as OTLP because a receiver could not read their frame.
    pub refused_frames: u64,
    /// Requests sent again although an earlier try may have arrived. Of frames, a receiver recognises most.
    pub ambiguous_retries: u64,
}

impl TracezipStats {
    /// Bytes of OTLP for each byte of a frame; 0.0 before the first frame.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.frame_bytes == 0 {
            return 0.0;
        }
        self.otlp_bytes as f64 / self.frame_bytes as f64
    }

    /// Bytes that frames saved against uncompressed OTLP.
    #[must_use]
    pub fn bytes_saved(&self) -> u64 {
        self.otlp_bytes.saturating_sub(self.frame_bytes)
    }
}

/// Reads the figures of one exporter, which may be anywhere.
///
/// ```
/// # #[cfg(feature = "otlp-http")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guard = otel_enhance::init!(tracezip)?;
/// if let Some(tracezip) = guard.tracezip() {
///     tracezip.report_to(&otel_enhance::global::meter("otel.sdk"));
///     assert_eq!(tracezip.stats().frames, 0);
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "otlp-http"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct TracezipWatch(Arc<Counts>);

impl TracezipWatch {
    pub(crate) fn new(counts: Arc<Counts>) -> Self {
        Self(counts)
    }

    /// The figures so far.
    #[must_use]
    pub fn stats(&self) -> TracezipStats {
        self.0.read()
    }
}

/// The figures while they are counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    mode: AtomicU8,
    pub(super) frames: AtomicU64,
    pub(super) otlp_requests: AtomicU64,
    pub(super) partly_raw: AtomicU64,
    pub(super) otlp_bytes: AtomicU64,
    pub(super) frame_bytes: AtomicU64,
    pub(super) state_losses: AtomicU64,
    pub(super) state_bytes: AtomicUsize,
    pub(super) probes: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) ambiguous: AtomicU64,
}

const MODES: [TracezipMode; 5] = [
    TracezipMode::Unknown,
    TracezipMode::Stateful,
    TracezipMode::SelfContained,
    TracezipMode::Otlp,
    TracezipMode::Off,
];

pub(super) fn add(count: &AtomicU64, value: u64) {
    count.fetch_add(value, Ordering::Relaxed);
}

impl Counts {
    pub(super) fn set_mode(&self, mode: TracezipMode) {
        let at = MODES.iter().position(|known| *known == mode);
        self.mode.store(at.unwrap_or(0) as u8, Ordering::Relaxed);
    }

    /// A request went as OTLP.
    pub(crate) fn otlp_delivered(&self) {
        add(&self.otlp_requests, 1);
    }

    /// A request is sent again, and may have arrived before.
    pub(crate) fn ambiguous_retry(&self) {
        add(&self.ambiguous, 1);
    }

    pub(super) fn read(&self) -> TracezipStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mode = usize::from(self.mode.load(Ordering::Relaxed));
        TracezipStats {
            mode: MODES.get(mode).copied().unwrap_or_default(),
            frames: read(&self.frames),
            otlp_requests: read(&self.otlp_requests),
            partly_raw_frames: read(&self.partly_raw),
            otlp_bytes: read(&self.otlp_bytes),
            frame_bytes: read(&self.frame_bytes),
            state_losses: read(&self.state_losses),
            state_bytes: self.state_bytes.load(Ordering::Relaxed),
            probes: read(&self.probes),
            refused_frames: read(&self.refused),
            ambiguous_retries: read(&self.ambiguous),
        }
    }
}
