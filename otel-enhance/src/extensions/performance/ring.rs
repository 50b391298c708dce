//! A bounded queue of ended records from one thread to whoever holds the other end.
//!
//! The producer writes a pointer and what it notes of the record, and then the tail, the consumer reads the tail and
//! then pointers, and writes the head when it has taken them: no lock, and the producer's line is written by the
//! consumer never. The producer remembers the last head that it saw, and looks again only when the ring seems full.
#![expect(
    unsafe_code,
    reason = "records travel as pointers, whose ownership comes and goes with them"
)]

use super::record::{Record, Sealed};
use super::sync::{Arc, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::fetch;

struct Shared<T: Send + 'static> {
    slots: Box<[Slot<T>]>,
    /// How many have ever been pushed.
    tail: Line<AtomicUsize>,
    /// How many have ever been taken.
    head: Line<AtomicUsize>,
}

/// A record and its note. One of them does not lie in two lines.
#[cfg_attr(target_pointer_width = "64", repr(align(16)))]
struct Slot<T: 'static> {
    record: AtomicPtr<Record<T>>,
    note: AtomicU64,
}

/// So many records before it is written a slot is fetched.
const SLOTS_AHEAD: usize = 8;

/// A cache line of its own; two, where lines are fetched in pairs.
#[repr(align(128))]
struct Line<T>(T);

/// A ring of at least `capacity` places, rounded up to a power of two.
pub(super) fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let slots = (0..capacity.next_power_of_two())
        .map(|_| Slot {
            record: AtomicPtr::new(std::ptr::null_mut()),
            note: AtomicU64::new(0),
        })
        .collect();
    let shared = Arc::new(Shared {
        slots,
        tail: Line(AtomicUsize::new(0)),
        head: Line(AtomicUsize::new(0)),
    });
    let producer = Producer {
        shared: Arc::clone(&shared),
        tail: 0,
        head: 0,
    };
    (producer, Consumer { shared, head: 0 })
}

/// The thread's end.
pub(super) struct Producer<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    tail: usize,
    /// As last seen.
    head: usize,
}

impl<T: Send> Producer<T> {
    /// Adds a record, or gives it back if the ring is full. Says how many have ever been pushed.
    #[inline(always)]
    pub(super) fn push(&mut self, record: Sealed<T>) -> Result<usize, Sealed<T>> {
        // What is read once is not read again after the slot is written, which might be any of it.
        let (shared, tail) = (&*self.shared, self.tail);
        let capacity = shared.slots.len();
        if tail.wrapping_sub(self.head) == capacity {
            // Acquire: the consumer has read what it says it has taken.
            self.head = shared.head.0.load(Ordering::Acquire);
            if tail.wrapping_sub(self.head) == capacity {
                return Err(record);
            }
        }
        // SAFETY: the number of slots is a power of two, so there is a slot for each number below it.
        let slot = unsafe { shared.slots.get_unchecked(tail & (capacity - 1)) };
        // The consumer had it last. Beyond the last slot there is nothing of the ring, which is no error.
        fetch::to_write(std::ptr::from_ref(slot).wrapping_add(SLOTS_AHEAD));
        let pushed = tail.wrapping_add(1);
        self.tail = pushed;
        let (record, note) = record.into_raw();
        slot.record.store(record, Ordering::Relaxed);
        slot.note.store(note, Ordering::Relaxed);
        // Release: whoever sees the tail sees the pointer, what it points to, and the note.
        shared.tail.0.store(pushed, Ordering::Release);
        Ok(pushed)
    }
}

/// The collector's end.
pub(super) struct Consumer<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    head: usize,
}

impl<T: Send> Consumer<T> {
    /// Takes every record that is there now, oldest first.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Sealed<T>)) {
        let tail = self.shared.tail.0.load(Ordering::Acquire);
        let mask = self.shared.slots.len() - 1;
        while self.head != tail {
            let slot = &self.shared.slots[self.head & mask];
            let raw = (
                slot.record.load(Ordering::Relaxed),
                slot.note.load(Ordering::Relaxed),
            );
            self.head = self.head.wrapping_add(1);
            // SAFETY: the tail lies beyond this slot, so `push` has put the pointer there, and the
            // head will never come back to this count: each pointer is taken once.
            take(unsafe { Sealed::from_raw(raw) });
        }
        // Release: the slots have been read.
        self.shared.head.0.store(self.head, Ordering::Release);
    }

    /// How many records are there now.
    pub(super) fn len(&self) -> usize {
        let tail = self.shared.tail.0.load(Ordering::Relaxed);
        tail.wrapping_sub(self.head)
    }
}

#[cfg(all(test, otel_enhance_loom))]
mod model;
#[cfg(all(test, not(otel_enhance_loom)))]
mod tests;
