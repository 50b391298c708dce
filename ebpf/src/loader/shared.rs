//! The mapped slots, and who has which.
#![expect(unsafe_code, reason = "the slots are memory shared with the kernel")]

use std::boxed::Box;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::error::{Refusal, Step};
use super::{fork, sys};
use crate::abi::{PROCESS_SLOT, Process, Slot, control};

/// What the session and its threads own together: the mapping outlives the session as long as a thread has a slot.
#[derive(Debug)]
pub(crate) struct Shared {
    base: NonNull<Slot>,
    slots: u32,
    /// One bit a slot: taken.
    taken: Box<[AtomicU64]>,
    /// The number, in its own PID namespace, of the thread that has the slot.
    owners: Box<[AtomicU32]>,
    /// The program `control`; a name of /dev/null once the session has ended.
    control: OwnedFd,
    /// /dev/null, to take the place of what is closed under a number that others still use.
    null: OwnedFd,
    /// Set while the session lives, in the process that loaded it.
    live: AtomicBool,
    /// What a child would inherit, besides `control`, and keep attached.
    inherited: OnceLock<Box<[RawFd]>>,
}

// SAFETY: the slots are shared memory, and each access to them says what it relies on; everything else is atomic.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps the slots of `map`.
    pub(crate) fn map(
        map: BorrowedFd<'_>,
        slots: u32,
        control: OwnedFd,
    ) -> Result<Arc<Self>, Refusal> {
        let refuse = |error| Refusal::io(Step::Map, &error);
        let null = std::fs::File::open("/dev/null").map_err(refuse)?.into();
        let words = slots.div_ceil(64) as usize;
        let taken: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
        // The process's own slot, and what is beyond the end of the last word.
        taken[0].fetch_or(1 << PROCESS_SLOT, Ordering::Relaxed);
        if !slots.is_multiple_of(64) {
            taken[words - 1].fetch_or(!0 << (slots % 64), Ordering::Relaxed);
        }
        let base = sys::map(map, Self::length(slots)).map_err(refuse)?;
        let shared = Arc::new(Self {
            base: base.cast(),
            slots,
            taken,
            owners: (0..slots).map(|_| AtomicU32::new(0)).collect(),
            control,
            null,
            live: AtomicBool::new(true),
            inherited: OnceLock::new(),
        });
        fork::watch(&shared);
        Ok(shared)
    }

    fn length(slots: u32) -> usize {
        slots as usize * size_of::<Slot>()
    }

    pub(crate) fn slot(&self, number: u32) -> NonNull<Slot> {
        assert!(number < self.slots, "slots are claimed below their number");
        // SAFETY: within the mapping.
        unsafe { self.base.add(number as usize) }
    }

    pub(crate) fn process(&self) -> NonNull<Process> {
        self.slot(PROCESS_SLOT).cast()
    }

    /// The thread that has the slot, in its own PID namespace, if that is the one which the kernel numbers so:
    /// another may have the slot by now.
    pub(crate) fn owner(&self, number: u32, tid: u32) -> Option<u32> {
        let owner = self.owners.get(number as usize)?;
        // SAFETY: the slot is within the mapping.
        let is_its =
            || unsafe { (&raw const (*self.slot(number).as_ptr()).kernel.tid).read_volatile() } == tid;
        if !is_its() {
            return None;
        }
        let owner = owner.load(Ordering::Acquire);
        // The kernel takes the number away before the slot has another owner, and gives that one's afterwards.
        (owner != 0 && is_its()).then_some(owner)
    }

    /// Whether the kernel's numbers are those that this process sees.
    pub(crate) fn is_initial_namespace(&self) -> bool {
        // SAFETY: the process's slot is valid, and the kernel wrote this word once, before anybody could ask.
        let tgid = unsafe { (&raw const (*self.process().as_ptr()).tgid).read_volatile() };
        tgid == std::process::id()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Asks the kernel, on the calling thread.
    pub(crate) fn ask(&self, arguments: [u64; 3]) -> std::io::Result<u32> {
        sys::control(self.control.as_raw_fd(), arguments)
    }

    /// Finds a free slot. Neither allocates nor locks.
    pub(crate) fn claim(&self) -> Option<u32> {
        self.first_free().or_else(|| {
            self.reclaim();
            self.first_free()
        })
    }

    fn first_free(&self) -> Option<u32> {
        for (index, word) in self.taken.iter().enumerate() {
            let mut bits = word.load(Ordering::Relaxed);
            while bits != !0 {
                let bit = bits.trailing_ones();
                match word.compare_exchange_weak(
                    bits,
                    bits | 1 << bit,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        let number = index as u32 * 64 + bit;
                        self.owners[number as usize].store(sys::own_thread(), Ordering::Relaxed);
                        return Some(number);
                    }
                    Err(now) => bits = now,
                }
            }
        }
        None
    }

    /// Gives a slot back that the kernel no longer writes.
    pub(crate) fn release(&self, number: u32) {
        self.owners[number as usize].store(0, Ordering::Relaxed);
        self.taken[number as usize / 64].fetch_and(!(1 << (number % 64)), Ordering::Release);
    }

    /// Frees the slots of threads that ended without giving theirs back, as those do that are cancelled.
    fn reclaim(&self) {
        for number in PROCESS_SLOT + 1..self.slots {
            let owner = &self.owners[number as usize];
            let thread = owner.load(Ordering::Relaxed);
            if thread == 0 || sys::is_alive(thread) {
                continue;
            }
            // Whoever wins this frees it, and nobody else.
            if owner
                .compare_exchange(thread, 0, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
            {
                continue;
            }
            // SAFETY: the slot is valid, and its thread is no more.
            let tid =
                unsafe { (&raw const (*self.slot(number).as_ptr()).kernel.tid).read_volatile() };
            // Where it fails the session has ended, and no slot matters.
            let _ = self.ask([control::UNREGISTER, number.into(), tid.into()]);
            self.release(number);
        }
    }

    /// Says which descriptors a child must not keep.
    pub(crate) fn inherits(&self, descriptors: Box<[RawFd]>) {
        // Set once, at the end of loading.
        let _ = self.inherited.set(descriptors);
    }

    /// Lets go of everything in the kernel. Threads that write on write into memory of their own.
    pub(crate) fn retire(&self) {
        if self.live.swap(false, Ordering::AcqRel) {
            fork::forget(self);
            self.detach();
        }
    }

    /// In a forked child: what was copied is the parent's. Async-signal-safe.
    pub(crate) fn abandon(&self) {
        self.live.store(false, Ordering::Relaxed);
        for descriptor in self.inherited.get().into_iter().flatten() {
            sys::replace(*descriptor, self.null.as_raw_fd());
        }
        self.detach();
    }

    fn detach(&self) {
        // SAFETY: the mapping is ours until this is dropped.
        unsafe { sys::cover(self.base.cast(), Self::length(self.slots)) };
        // Its number stays taken: a thread that ends later asks nobody else's program by it.
        sys::replace(self.control.as_raw_fd(), self.null.as_raw_fd());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        fork::forget(self);
        // SAFETY: the mapping is ours, and this is its last owner.
        unsafe { sys::unmap(self.base.cast(), Self::length(self.slots)) };
    }
}
