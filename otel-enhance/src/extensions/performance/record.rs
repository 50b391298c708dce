//! A place that is used again and again, and handles that know when it is no longer theirs.
//!
//! A [`Record`] is leaked when it is made and never freed, so a handle to it can always be looked at.
//! Its contents have one of two kinds of owner:
//!
//! - an [`Owned`], of which there is one at most: it holds the lock, so that its owner may use the
//!   contents without asking. Free records are held by it; those of ended spans travel [`Sealed`], which is the same
//!   to whoever does not look at it.
//! - a generation: [`Owned::publish`] turns into a [`Handle`], which may be copied. Handles take turns
//!   by the lock, until one of them [ends](Handle::end) the generation and gets the `Owned` back. A handle
//!   may be had [before](Owned::handle), to be put where it will be needed; whoever used it would wait.
//!
//! `state = generation << 1 | locked`. Ending a generation adds one to it, under the lock; from then
//! on every handle of the old one finds another generation, and leaves the record alone, even when it
//! has long been published again. 2^63 generations are enough.
#![expect(
    unsafe_code,
    reason = "contents are shared between handles behind a lock of our own, whose word also says whose they are"
)]

use std::fmt;
use std::ops::Range;

use super::sync::{AtomicU64, Ordering, UnsafeCell, spin_loop, yield_now};
use crate::fetch;

/// See the module.
#[repr(C, align(64))]
pub(super) struct Record<T: 'static> {
    state: AtomicU64,
    contents: UnsafeCell<T>,
}

// SAFETY: the contents are reached under the lock only, which an `Owned` or a `Locked` stands for;
// either may be on any thread, which is what `T: Send` allows.
unsafe impl<T: Send> Sync for Record<T> {}

/// The lock, in the word that also has the generation.
const LOCKED: u64 = 1;

/// How often a lock is tried before the thread gives way: its holder writes one field.
const SPINS: u32 = 64;

impl<T: Send> Record<T> {
    fn new(contents: T) -> Self {
        Self {
            state: AtomicU64::new(LOCKED),
            contents: UnsafeCell::new(contents),
        }
    }

    /// The contents.
    ///
    /// # Safety
    ///
    /// The lock is held by the caller, for whom nobody else uses it meanwhile.
    #[inline(always)]
    unsafe fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.contents.with_mut(|contents| {
            // SAFETY: as the caller says.
            f(unsafe { &mut *contents })
        })
    }

    /// New records, for as long as the process runs.
    pub(super) fn leak_several(
        count: usize,
        make: impl Fn() -> T,
    ) -> impl Iterator<Item = Owned<T>> {
        let records: Box<[Self]> = (0..count).map(|_| Self::new(make())).collect();
        Box::leak(records).iter().map(|record| Owned {
            record,
            generation: 0,
        })
    }

    /// One of them.
    #[cfg(test)]
    pub(super) fn leak(contents: T) -> Owned<T> {
        Owned {
            record: Box::leak(Box::new(Self::new(contents))),
            generation: 0,
        }
    }
}

/// The only way to a record's contents, whose lock it holds. Dropping it leaks the record and its
/// contents.
#[must_use = "a record that is not given back is lost"]
pub(super) struct Owned<T: Send + 'static> {
    record: &'static Record<T>,
    /// Of the record, which need not be read for it: another processor may have had it last.
    generation: u64,
}

impl<T: Send> Owned<T> {
    /// A handle of the generation that begins when this is published. Until then it finds the lock
    /// held.
    #[inline(always)]
    pub(super) const fn handle(&self) -> Handle<T> {
        Handle {
            record: self.record,
            generation: self.generation,
        }
    }

    /// Lets handles in.
    #[inline(always)]
    pub(super) fn publish(self) -> Handle<T> {
        let handle = self.handle();
        // Release: whoever locks it sees what has been written.
        self.record.state.store(handle.open(), Ordering::Release);
        handle
    }

    /// The contents.
    #[inline(always)]
    pub(super) fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: there is one `Owned` of a record, it is borrowed mutably here, and no handle
        // gets the lock while it exists: `publish`, which gives the lock up, consumes it, and
        // `end` makes it of the lock that it holds.
        unsafe { self.record.with(f) }
    }

    /// Has the processor fetch these lines of the record, to be written to, while something else is done: another one
    /// had them last, and asking that one for line after line takes longer than a span.
    #[inline(always)]
    pub(super) fn fetch(&self, lines: Range<usize>) {
        fetch::lines_to_write(self.record, lines);
    }

    /// Sends it on its way, with a word about what is in it.
    #[inline(always)]
    pub(super) const fn seal(self, note: u64) -> Sealed<T> {
        Sealed {
            record: self.record,
            note,
        }
    }
}

impl<T: Send> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owned")
    }
}

/// An [`Owned`] on its way from thread to thread: nothing of the record is read before it is looked at, which another
/// processor wrote last. Dropping it leaks the record and its contents.
#[must_use = "a record that is not given back is lost"]
pub(super) struct Sealed<T: Send + 'static> {
    record: &'static Record<T>,
    note: u64,
}

impl<T: Send> Sealed<T> {
    /// What its sender says of it.
    #[inline(always)]
    pub(super) const fn note(&self) -> u64 {
        self.note
    }

    /// Says something else of it.
    #[inline(always)]
    pub(super) const fn set_note(&mut self, note: u64) {
        self.note = note;
    }

    /// The contents.
    #[inline(always)]
    pub(super) fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: it was an `Owned`, of which there is one, and is borrowed mutably.
        unsafe { self.record.with(f) }
    }

    /// See [`Owned::fetch`].
    #[inline(always)]
    pub(super) fn fetch(&self, lines: Range<usize>) {
        fetch::lines_to_write(self.record, lines);
    }

    /// It has arrived.
    #[inline(always)]
    pub(super) fn open(self) -> Owned<T> {
        // Relaxed: the last change was made by whoever sealed it, and came here with it.
        let generation = self.record.state.load(Ordering::Relaxed) >> 1;
        Owned {
            record: self.record,
            generation,
        }
    }

    /// For a queue of pointers, and of notes.
    #[inline(always)]
    pub(super) fn into_raw(self) -> (*mut Record<T>, u64) {
        (std::ptr::from_ref(self.record).cast_mut(), self.note)
    }

    /// The way back.
    ///
    /// # Safety
    ///
    /// `raw` came from [`Sealed::into_raw`], and comes back here once for each time it did.
    #[inline(always)]
    pub(super) unsafe fn from_raw((raw, note): (*mut Record<T>, u64)) -> Self {
        // SAFETY: records are never freed, and none is ever borrowed mutably.
        let record = unsafe { &*raw };
        Self { record, note }
    }
}

impl<T: Send> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
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
            open | LOCKED,
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
                open | LOCKED,
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
        // The lock stays held. Relaxed: who gets the `Owned` sees what was written here, and gives
        // the lock up.
        let generation = self.generation + 1;
        self.record
            .state
            .store(generation << 1 | LOCKED, Ordering::Relaxed);
        Some(Owned {
            record: self.record,
            generation,
        })
    }

    /// The same in less room, for whoever keeps it no longer than a function runs: the lower half of the
    /// generation might be that of 2^32 generations later.
    #[inline(always)]
    pub(super) const fn brief(self) -> (Place<T>, u32) {
        (Place(self.record), self.generation as u32)
    }
}

impl<T: Send> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// A record, of whatever generation.
pub(super) struct Place<T: Send + 'static>(&'static Record<T>);

impl<T: Send> Clone for Place<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send> Copy for Place<T> {}

impl<T: Send> Place<T> {
    /// The way back from [`Handle::brief`], unless the generation has ended.
    #[inline(always)]
    pub(super) fn handle(self, generation: u32) -> Option<Handle<T>> {
        let current = self.0.state.load(Ordering::Relaxed) >> 1;
        (current as u32 == generation).then_some(Handle {
            record: self.0,
            generation: current,
        })
    }
}

impl<T: Send> fmt::Debug for Place<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// The lock, held.
pub(super) struct Locked<T: Send + 'static>(Handle<T>);

impl<T: Send> Locked<T> {
    /// The contents.
    #[inline(always)]
    pub(super) fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the lock of the live generation is held, so there is no `Owned` and no other
        // `Locked`, and this one is borrowed mutably.
        unsafe { self.0.record.with(f) }
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
