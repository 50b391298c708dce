//! What the application can ask a session.

use std::sync::Arc;

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
