//! What the span of a future did between polls, which the extension `ebpf` keeps in the future: without it, or
//! where there is no eBPF, nothing.

#[cfg(otel_enhance_has_ebpf)]
pub(super) use crate::extensions::ebpf::{Between, Place};

#[cfg(not(otel_enhance_has_ebpf))]
pub(super) use nothing::{Between, Place};

#[cfg(not(otel_enhance_has_ebpf))]
mod nothing {
    use std::marker::PhantomData;

    use opentelemetry::trace::SpanId;

    pub(in crate::span) struct Between;

    impl Between {
        pub(in crate::span) const NOTHING: Self = Self;

        pub(in crate::span) const fn elsewhere() -> Self {
            Self
        }
    }

    pub(in crate::span) struct Place<'a>(PhantomData<&'a mut Between>);

    #[expect(clippy::unused_self, reason = "there is nothing to lend")]
    impl<'a> Place<'a> {
        #[inline(always)]
        pub(in crate::span) const fn of(_: &'a mut Between) -> Self {
            Self(PhantomData)
        }

        #[inline(always)]
        pub(in crate::span) fn while_attaching<R>(&self, attach: impl FnOnce() -> R) -> R {
            attach()
        }

        #[inline(always)]
        pub(in crate::span) fn while_ending(&self, _: impl FnOnce() -> SpanId, end: impl FnOnce()) {
            end();
        }
    }
}
