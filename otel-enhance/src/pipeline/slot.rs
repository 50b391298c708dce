//! The one place of the process in which a pipeline lives.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::installed::Installed;
use crate::InitError;
use crate::lifecycle::generation;

static SLOT: Mutex<Slot> = Mutex::new(Slot::Empty);

enum Slot {
    Empty,
    /// An install of this generation is under way.
    Reserved(u32),
    Live(Arc<Installed>),
}

/// The lock on the slot, which a fork holds so that the child finds it free.
pub(crate) struct SlotGuard(MutexGuard<'static, Slot>);

impl SlotGuard {
    pub(crate) fn lock() -> Self {
        Self(SLOT.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_taken(&self) -> bool {
        match &*self.0 {
            Slot::Empty => false,
            Slot::Reserved(by) => *by == generation(),
            Slot::Live(installed) => !installed.is_foreign(),
        }
    }

    fn put(&mut self, slot: Slot) {
        if let Slot::Live(old) = mem::replace(&mut *self.0, slot)
            && old.is_foreign()
        {
            // The parent's pipeline: its threads are not in this process, so nothing can end it.
            mem::forget(old);
        }
    }
}

/// The right to install; dropped without [`Reservation::publish`], it leaves the slot empty.
pub(super) struct Reservation(());

pub(super) fn reserve() -> Result<Reservation, InitError> {
    let mut slot = SlotGuard::lock();
    if slot.is_taken() {
        return Err(InitError::AlreadyInstalled);
    }
    slot.put(Slot::Reserved(generation()));
    Ok(Reservation(()))
}

impl Reservation {
    pub(super) fn publish(self, installed: Arc<Installed>) {
        SlotGuard::lock().put(Slot::Live(installed));
        mem::forget(self);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        SlotGuard::lock().put(Slot::Empty);
    }
}

/// Empties the slot, if `installed` is what it holds.
pub(super) fn release(installed: &Arc<Installed>) {
    let mut slot = SlotGuard::lock();
    if matches!(&*slot.0, Slot::Live(live) if Arc::ptr_eq(live, installed)) {
        slot.put(Slot::Empty);
    }
}

/// The pipeline that lives in this process.
pub(super) fn current() -> Option<Arc<Installed>> {
    match &*SlotGuard::lock().0 {
        Slot::Live(installed) if !installed.is_foreign() => Some(Arc::clone(installed)),
        _ => None,
    }
}
