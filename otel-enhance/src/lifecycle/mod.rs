//! The ends of a process, and its division by `fork`: exit handler, abort hook, signals.
//!
//! None of the hooks knows a pipeline: they ask for the one that lives when they run, and find none
//! after its guard has been shut down. On systems other than Unix there is no hook to hang on: the
//! guard's own shutdown and drop work everywhere.

mod abort;
#[cfg(unix)]
mod exit;
mod fork;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod sys;

use std::io;
use std::time::Duration;

pub(crate) use fork::generation;

/// What a process that ends may spend on its telemetry, so that it is gone within 2 s.
pub(crate) const EXIT_DEADLINE: Duration = Duration::from_millis(1500);

/// Hangs the hooks up that every pipeline needs. Only the first call does anything.
pub(crate) fn arm(exit_handler: bool) -> io::Result<()> {
    fork::arm()?;
    abort::arm();
    #[cfg(unix)]
    if exit_handler {
        exit::arm()?;
    }
    #[cfg(not(unix))]
    let _ = exit_handler;
    Ok(())
}

/// Hangs up the hook that tells a forked child from its parent.
#[cfg(any(feature = "tracezip", otel_enhance_has_ebpf))]
pub(crate) fn arm_fork() -> io::Result<()> {
    fork::arm()
}

/// Flushes and ends the process on `SIGTERM` and `SIGINT`, whichever the application leaves to its
/// default.
pub(crate) fn arm_signals() -> io::Result<()> {
    #[cfg(unix)]
    signals::arm()?;
    Ok(())
}
