//! Systems without eBPF: nothing runs.

use std::sync::Arc;

use super::handle::EbpfHandle;
use super::status::{EbpfStatus, Tier};
use crate::config::EbpfSettings;

/// See the module.
#[derive(Debug)]
pub(crate) struct Running {
    status: EbpfStatus,
    settings: EbpfSettings,
}

impl Running {
    pub(super) fn status(&self) -> &EbpfStatus {
        &self.status
    }

    pub(super) fn settings(&self) -> &EbpfSettings {
        &self.settings
    }
}

/// Keeps nothing open.
#[derive(Debug)]
pub(crate) struct EbpfLease(Arc<Running>);

impl EbpfLease {
    pub(crate) fn handle(&self) -> EbpfHandle {
        EbpfHandle {
            running: Arc::clone(&self.0),
        }
    }
}

/// Says that there is nothing to open.
pub(crate) fn open(settings: &EbpfSettings) -> EbpfLease {
    EbpfLease(Arc::new(Running {
        status: EbpfStatus {
            tier: Tier::OtherSystem,
            refusals: Vec::new(),
        },
        settings: settings.clone(),
    }))
}
