//! The session that a thread knows, and its slot.
#![expect(unsafe_code, reason = "the slot belongs to the thread")]

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use otel_enhance_ebpf::loader::{PinnedContexts, ThreadSlot};

use super::super::parked::{Held, parked};
use super::super::running::{self, EPOCH};
use super::super::source::{Known, Source};
use super::super::thread_context;
use super::told::NO_SPAN;
use super::{Deep, Next, Thread, with};
use crate::lifecycle::generation;

/// The thread is being torn down.
pub(super) const LEAVING: u32 = u32::MAX;

thread_local! {
    /// What the thread's source points to, and what gives it back.
    static SLOT: Owner = const { Owner(RefCell::new(Owned { slot: None, pinned: None })) };
}

/// The slot, and what else knows the thread by it.
struct Owned {
    slot: Option<ThreadSlot>,
    pinned: Option<Arc<PinnedContexts>>,
}

struct Owner(RefCell<Owned>);

impl Drop for Owner {
    fn drop(&mut self) {
        let epoch = EPOCH.load(Ordering::Relaxed);
        with(|thread| {
            if thread.epoch == epoch {
                // What is still attached stays so to the end, of which nobody is told.
                thread.keep_all();
            }
            thread.forget();
            thread.part();
            thread.epoch = LEAVING;
        });
    }
}

impl Thread {
    /// Learns of the session that is open now; says whether there is one for this thread.
    #[cold]
    #[inline(never)]
    pub(super) fn refresh(&mut self, epoch: u32) -> bool {
        if self.epoch == LEAVING {
            return false;
        }
        if self.epoch != epoch {
            // Waits for nobody: the next context will find out.
            let Some(joined) = running::join(epoch) else {
                return false;
            };
            self.forget();
            self.part();
            let slot = joined.as_ref().and_then(|joined| joined.register());
            let is_own = joined
                .as_ref()
                .is_some_and(|joined| joined.uses_own_accounts);
            let kept = SLOT.try_with(|owner| {
                let Ok(mut place) = owner.0.try_borrow_mut() else {
                    return;
                };
                *place = Owned {
                    // It goes by the number that the slot has.
                    pinned: joined
                        .as_ref()
                        .and_then(|joined| joined.pinned.clone())
                        .filter(|_| slot.is_some()),
                    slot,
                };
                self.pinned = place.pinned.as_deref().map(NonNull::from);
                if let Some(slot) = &place.slot {
                    self.key = slot.key();
                    self.generation = generation();
                    self.source = Source::Slot(NonNull::from(slot));
                } else if is_own {
                    self.source = Source::Own;
                }
            });
            self.epoch = if kept.is_ok() { epoch } else { LEAVING };
            if let Some(joined) = joined {
                if joined.publishes {
                    let record = match self.slot() {
                        Some(slot) => slot.thread_context().as_ptr().cast_const(),
                        None => &raw const self.record,
                    };
                    thread_context::publish(record);
                    self.is_published = true;
                }
                self.ahead = joined.ahead;
                self.marked_only = joined.marked_only;
            }
            self.find_lines();
        }
        self.epoch == epoch && epoch != 0
    }

    /// Lets go of the slot, before it goes.
    pub(super) fn part(&mut self) {
        if std::mem::take(&mut self.is_published) {
            thread_context::publish(std::ptr::null());
        }
        if self.pinned.is_some() {
            self.tell_map(None);
        }
        self.pinned = None;
        self.record = NO_SPAN;
        self.lines = None;
        self.source = Source::Nothing;
        self.known = Known::NOTHING;
    }

    /// Nothing is active any more.
    pub(super) fn forget(&mut self) {
        if let Some(table) = parked() {
            for frame in &self.frames[..self.depth] {
                if let Some(held) = Held::of_number(frame.entry) {
                    table.free(held);
                }
            }
        }
        self.depth = 0;
        self.too_deep = 0;
        self.deep = Deep::NOTHING;
        self.next = Next::Unknown;
    }

    #[inline(always)]
    pub(super) fn slot(&self) -> Option<&'static ThreadSlot> {
        match self.source {
            // SAFETY: it is in `SLOT`, which changes the source before it gives the slot up, and nobody keeps
            // the reference.
            Source::Slot(slot) => Some(unsafe { slot.as_ref() }),
            _ => None,
        }
    }

    /// Finds out whether contexts may come and go quickly.
    #[cold]
    pub(super) fn find_lines(&mut self) {
        let is_quick = !self.marked_only && self.pinned.is_none() && self.too_deep == 0;
        self.lines = self.slot().filter(|_| is_quick).map(ThreadSlot::lines);
    }
}
