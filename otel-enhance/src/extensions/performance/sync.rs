//! The primitives of the records and rings, exchanged for loom's where a model is run.

#[cfg(otel_enhance_loom)]
pub(super) use loom::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    sync::{Arc, Mutex, MutexGuard},
    thread::yield_now,
};

pub(super) use std::sync::PoisonError;

#[cfg(not(otel_enhance_loom))]
pub(super) use {
    cell::UnsafeCell,
    std::hint::spin_loop,
    std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    std::sync::{Arc, Mutex, MutexGuard},
    std::thread::yield_now,
};

#[cfg(not(otel_enhance_loom))]
mod cell {
    /// The standard library's, with the interface of loom's.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
