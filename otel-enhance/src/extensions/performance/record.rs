//! A place that is used again and again, and handles that know when it is no longer theirs.
//!
//! A [`Record`] is leaked when it is made and never freed, so a handle to it can always be looked at.
//! Its contents have one of two kinds of owner:
//!
//! - an [`Owned`], of which there is one at most: no handle is valid while it exists, and it may be
//!   used without a lock. Free records and those of ended spans are held by it.
//! - a generation: [`Owned::publish`] turns into a [`Handle`], which may be copied. Handles take turns
//!   by a lock, until one of them [ends](Handle::end) the generation and gets the `Owned` back.
//!
//! `state = generation << 1 | locked`. Ending a generation adds one to it, under the lock; from then
//! on every handle of the old one finds another generation, and leaves the record alone, even when it
//! has long been published again. 2^63 generations are enough.
#![expect(
    unsafe_code,
    reason = "contents are shared between handles behind a lock of our own, whose word also says whose they are"
)]

use std::fmt;

use super::sync::{AtomicU64, Ordering, UnsafeCell, spin_loop, yield_now};

/// See the module.
#[repr(C, align(64))]
pub(super) struct Record<T: 'static> {
    state: AtomicU64,
    contents: UnsafeCell<T>,
}

// SAFETY: the contents are reached by an `Owned`, of which there is one, or under the lock; either
// may be on any thread, which is what `T: Send` allows.
unsafe impl<T: Send> Sync for Record<T> {}

/// How often a lock is tried before the thread gives way: its holder writes one field.
const SPINS: u32 = 64;

impl<T: Send> Record<T> {
    fn new(contents: T) -> Self {
        Self {
            state: AtomicU64::new(0),
            contents: UnsafeCell::new(contents),
        }
    }

    /// New records, for as long as the process runs.
    pub(super) fn leak_several(
        count: usize,
        make: impl Fn() -> T,
    ) -> impl Iterator<Item = Owned<T>> {
        let records: Box<[Self]> = (0..count).map(|_| Self::new(make())).collect();
        Box::leak(records).iter().map(Owned)
    }

    /// One of them.
    #[cfg(test)]
    pub(super) fn leak(contents: T) -> Owned<T> {
        Owned(Box::leak(Box::new(Self::new(contents))))
    }
}

/// The only way to a record's contents. Dropping it leaks the record and its contents.
#[must_use = "a record that is not given back is lost"]
pub(super) struct Owned<T: Send + 'static>(&'static Record<T>);

impl<T: Send> Owned<T> {
    /// Lets handles in.
    #[inline(always)]
    pub(super) fn publish(self) -> Handle<T> {
        // Relaxed: the last change was made by whoever made this `Owned`, and came here with it.
        let state = self.0.state.load(Ordering::Relaxed);
        Handle {
            record: self.0,
            generation: state >> 1,
        }
    }

    /// The contents.
    #[inline(always)]
    pub(super) fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        self.0.contents.with_mut(|contents| {
            // SAFETY: there is one `Owned` of a record, it is borrowed mutably here, and no handle
            // is valid while it exists: `publish` consumes it, and `end` makes it under the lock
            // after it has changed the generation.
            f(unsafe { &mut *contents })
        })
    }

    /// Has the processor fetch the record, to be written to, while something else is done: another one
    /// had it last, and asking that one for line after line takes longer than a span.
    #[inline(always)]
    pub(super) fn fetch(&self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        for line in 0..size_of::<Record<T>>().div_ceil(64) {
            let at = std::ptr::from_ref(self.0)
                .cast::<u8>()
                .wrapping_add(64 * line);
            // SAFETY: a hint, which changes no register, no memory and no flag, and faults on no address;
            // a processor that does not know it does nothing.
            unsafe {
                std::arch::asm!("prefetchw [{at}]", at = in(reg) at, options(nostack, preserves_flags));
            }
        }
    }

    /// For a queue of pointers.
    #[inline(always)]
    pub(super) fn into_raw(self) -> *mut Record<T> {
        std::ptr::from_ref(self.0).cast_mut()
    }

    /// The way back.
    ///
    /// # Safety
    ///
    /// `raw` came from [`Owned::into_raw`], and comes back here once for each time it did.
    #[inline(always)]
    pub(super) unsafe fn from_raw(raw: *mut Record<T>) -> Self {
        // SAFETY: records are never freed, and none is ever borrowed mutably.
        Self(unsafe { &*raw })
    }
}

impl<T: Send> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owned")
    }
}

/// A right to a record's contents for one generation.
pub(super) struct Handle<T: Send + 'static> {
    record: &'static Record<T>,
    generation: u64,
}

impl<T: Send> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send> Copy for Handle<T> {}

impl<T: Send> Handle<T> {
    const fn open(self) -> u64 {
        self.generation << 1
    }

    /// Whether the generation has not ended yet.
    #[inline(always)]
    pub(super) fn is_live(self) -> bool {
        self.record.state.load(Ordering::Relaxed) >> 1 == self.generation
    }

    /// The contents, locked; `None` if the generation has ended.
    #[inline(always)]
    pub(super) fn lock(self) -> Option<Locked<T>> {
        let open = self.open();
        // Acquire: what the last holder wrote, and who published, is seen here.
        match self.record.state.compare_exchange(
            open,
            open | 1,
            Ordering::Acquire,
            Ordering::Relaxed,
        ) {
            Ok(_) => Some(Locked(self)),
            Err(_) => self.lock_contended(),
        }
    }

    #[cold]
    fn lock_contended(self) -> Option<Locked<T>> {
        let open = self.open();
        let mut spins = 0;
        loop {
            match self.record.state.compare_exchange(
                open,
                open | 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Locked(self)),
                Err(state) if state >> 1 != self.generation => return None,
                Err(_) => {}
            }
            spins += 1;
            if spins < SPINS {
                spin_loop();
            } else {
                yield_now();
            }
        }
    }

    /// Ends the generation, after `last` has seen the contents: this and every other handle of it is
    /// void. `None` if that has happened before.
    #[inline(always)]
    pub(super) fn end(self, last: impl FnOnce(&mut T)) -> Option<Owned<T>> {
        let mut locked = self.lock()?;
        locked.with(last);
        std::mem::forget(locked);
        // Release: whoever locks the next generation sees what was written in this one. (Whoever
        // gets the `Owned` sees it anyway.)
        self.record.state.store(self.open() + 2, Ordering::Release);
        Some(Owned(self.record))
    }
}

impl<T: Send> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The lock, held.
pub(super) struct Locked<T: Send + 'static>(Handle<T>);

impl<T: Send> Locked<T> {
    /// The contents.
    #[inline(always)]
    pub(super) fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        self.0.record.contents.with_mut(|contents| {
            // SAFETY: the lock of the live generation is held, so there is no `Owned` and no other
            // `Locked`, and this one is borrowed mutably.
            f(unsafe { &mut *contents })
        })
    }
}

impl<T: Send> Drop for Locked<T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.record.state.store(self.0.open(), Ordering::Release);
    }
}

#[cfg(all(test, otel_enhance_loom))]
mod model;
#[cfg(all(test, not(otel_enhance_loom)))]
mod tests;
