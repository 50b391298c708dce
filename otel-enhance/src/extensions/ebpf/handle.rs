//! What the application can ask a session.

use std::sync::Arc;

#[cfg(otel_enhance_has_ebpf)]
use super::profile::{Profile, ProfileAccount};
use super::status::{EbpfStatus, Tier};
use super::system::running::Running;
use crate::config::EbpfSettings;

/// A session of the extension, to be asked; it does not keep the session open.
///
/// Of a pipeline it is [`TelemetryGuard::ebpf`](crate::TelemetryGuard::ebpf).
///
/// # Minimum kernel version
///
/// None: the tier says what there is.
#[derive(Clone, Debug)]
pub struct EbpfHandle {
    pub(super) running: Arc<Running>,
}

impl EbpfHandle {
    /// How much this process has.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.status().tier
    }

    /// The same with what stood in the way of more.
    #[must_use]
    pub fn status(&self) -> &EbpfStatus {
        self.running.status()
    }

    /// Spans of which figures were lost in this process, because 16,384 or more were open and not active. Such are as a
    /// rule the leftovers of spans that ended while another thread still had them active.
    #[must_use]
    pub fn spans_lost(&self) -> u64 {
        self.running.spans_lost()
    }

    /// What was asked for.
    #[must_use]
    pub fn settings(&self) -> &EbpfSettings {
        self.running.settings()
    }
}

#[cfg(otel_enhance_has_ebpf)]
impl EbpfHandle {
    /// Which code the spans of the process were in since the session was opened, up to now; it can be asked for as
    /// often as you like, while spans run and after the end. `None` without samples, and in a forked child.
    ///
    /// What a span is called is known once it was exported: flush before, where that matters. Names of functions are
    /// looked up by the calling thread: the first time takes some 100 ms, later ones as long as there are new
    /// addresses. On Linux alone.
    ///
    /// **Minimum kernel:** 5.15, with `CAP_BPF` and `CAP_PERFMON` while the session is opened.
    ///
    /// ```no_run
    /// # fn write(guard: &otel_enhance::TelemetryGuard) -> std::io::Result<()> {
    /// if let Some(profile) = guard.ebpf().and_then(|ebpf| ebpf.profile()) {
    ///     let checkout = profile.of_span_name("checkout");
    ///     std::fs::write("checkout.pb.gz", checkout.to_pprof())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        self.running.profiler()?.profile()
    }

    /// What became of the samples; `None` where none are taken. On Linux alone.
    #[must_use]
    pub fn profile_account(&self) -> Option<ProfileAccount> {
        Some(self.running.profiler()?.account())
    }

    /// The profile since this was asked for last, by anybody.
    #[cfg_attr(
        not(any(feature = "otlp-http", feature = "otlp-grpc")),
        expect(dead_code, reason = "OTLP alone takes news")
    )]
    pub(crate) fn profile_news(&self) -> Option<Profile> {
        self.running.profiler()?.news()
    }
}
