//! Profiles: which code the time of spans went into.
//!
//! A sample says which span was active, on which thread, and with which stack: at each tick of a clock while the
//! thread was on a CPU and, when asked, for each sleep within a span. A thread of ours reads them, unwinds the
//! stacks by the tables that every executable has (no frame pointers are needed) and adds them up. Functions are
//! named when somebody asks for a [`Profile`], never before.
//!
//! # What is bounded
//!
//! The ring between kernel and process, whose overruns are counted; 4096 samples each time that it is emptied; 16,384
//! stacks, 8,192 spans, 2,048 names of spans, 4,096 threads and 65,536 combinations of them, which is some 16 MiB at
//! most. What is beyond that is counted together, nothing is lost: see [`ProfileAccount`].
//!
//! # Minimum kernel version
//!
//! 5.15 with `CAP_BPF` and `CAP_PERFMON` while loading; samples of sleeps take BTF as well.

mod aggregate;
mod files;
mod flame;
mod folded;
mod modules;
mod otlp;
mod pprof;
mod snapshot;
mod stack;
mod symbols;
mod table;
mod unwind;
mod wire;
mod worker;

use otel_enhance_ebpf::loader::{Options, Session};

pub use snapshot::{Profile, ProfileAccount, ProfileKind, ProfileSample};
pub use symbols::Frame;
pub(crate) use worker::Profiler;

use crate::config::EbpfSettings;

/// Sleeps of so many threads at a time are looked at: 4 MiB in the kernel.
const SLEEPERS: u32 = 255;

/// What settings say of samples.
pub(crate) fn options(mut options: Options, settings: &EbpfSettings) -> Options {
    if let Some(hz) = settings.sample_hz {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        // A quarter of a second of stacks as long as they can be.
        let bytes = cpus * u64::from(hz) * (17 << 10) / 4;
        let bytes = bytes.clamp(1 << 20, 64 << 20) as u32;
        options = options.with_sample_hz(hz).with_ring_bytes(bytes);
    }
    if settings.off_cpu {
        let micros = settings.off_cpu_min.as_micros();
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        options = options.with_sleep_samples(micros, SLEEPERS);
    }
    options
}

/// Starts reading the samples of a session; `None` where it takes none.
///
/// # Errors
///
/// Why nobody can read them, in words; none are taken then.
pub(crate) fn start(
    session: &mut Session,
    settings: &EbpfSettings,
) -> Result<Option<Profiler>, String> {
    let Some(samples) = session.take_samples() else {
        return Ok(None);
    };
    let hz = settings.sample_hz.unwrap_or(1);
    Profiler::start(samples, hz, aggregate::Limits::default())
        .map(Some)
        .map_err(|error| {
            session.set_sampling(false);
            format!("samples are not read: {error}")
        })
}

#[cfg(test)]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
#[path = "tests/formats.rs"]
mod formats;
