//! Systems without eBPF: nothing runs.

pub(super) mod running {
    use std::sync::Arc;

    use crate::config::EbpfSettings;
    use crate::extensions::ebpf::{EbpfHandle, EbpfStatus, Tier};

    /// See the module.
    #[derive(Debug)]
    pub(crate) struct Running {
        status: EbpfStatus,
        settings: EbpfSettings,
    }

    impl Running {
        pub(crate) fn status(&self) -> &EbpfStatus {
            &self.status
        }

        pub(crate) const fn spans_lost(&self) -> u64 {
            0
        }

        pub(crate) fn settings(&self) -> &EbpfSettings {
            &self.settings
        }
    }

    /// There is nothing to lock.
    #[cfg(unix)]
    pub(crate) struct SessionGuard;

    #[cfg(unix)]
    impl SessionGuard {
        pub(crate) const fn lock() -> Self {
            Self
        }
    }

    /// Keeps nothing open.
    #[derive(Clone, Debug)]
    pub(crate) struct EbpfLease(Arc<Running>);

    impl EbpfLease {
        pub(crate) const fn publish(&self, _: &opentelemetry_sdk::Resource) {}

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
}

pub(super) mod thread {
    use opentelemetry::trace::SpanContext;

    use crate::extensions::ebpf::figures::{Figures, OnCpu};

    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) const fn started(_: [u8; 8], _: u64) {}

    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) const fn put_off() {}

    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) const fn announce(_: [u8; 16], _: [u8; 8], _: u8, _: u64) {}

    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) fn as_announced<R>(attach: impl FnOnce() -> R) -> R {
        attach()
    }

    #[inline(always)]
    pub(crate) const fn begun(_: &SpanContext) {}

    pub(crate) const fn mark(_: &SpanContext) {}

    /// What is known of a span that ends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[expect(dead_code, reason = "nothing is known here")]
    pub(crate) enum Found {
        Nothing,
        OnCpu(OnCpu),
        Figures,
    }

    #[inline(always)]
    pub(crate) const fn ended(_: &[u8; 16], _: [u8; 8], _: Option<u64>, _: &mut Figures) -> Found {
        Found::Nothing
    }

    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) const fn ended_now(_: &[u8; 16], _: [u8; 8], _: u64, _: &mut Figures) -> Found {
        Found::Nothing
    }
}
