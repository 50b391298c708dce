//! What a thread keeps for its spans: free records, and a ring to each hub that it ends spans for.
//!
//! Everything here belongs to the thread alone. The other end of a ring is in a [`Shelf`], which the hub
//! knows; at the thread's end what is in the ring is handed over, and nothing is left behind.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::SpanContext;

use super::contents::Contents;
use super::hub::{self, Hub};
use super::pool;
use super::record::{Handle, Owned};
use super::ring::{Consumer, Producer, ring};
use crate::lifecycle::generation;

/// The most free records that a thread keeps.
pub(super) const KEPT: usize = 128;
/// A thread begins with few, in case it makes few spans.
const FIRST: usize = 8;

thread_local! {
    static DESK: RefCell<Desk> = const { RefCell::new(Desk::new()) };
}

struct Desk {
    /// Of the process, when the seats were taken.
    generation: u32,
    /// The one used last is the first.
    seats: Vec<Seat>,
    free: Vec<Owned<Contents>>,
    refill: usize,
    /// Spans of functions that are running, the innermost last, by where the context of each has its
    /// ids.
    /// `None`: the span does not record.
    entered: Vec<(*const SpanContext, Option<Handle<Contents>>)>,
}

/// One hub's place at the desk.
struct Seat {
    hub: Arc<Hub>,
    shelf: Arc<Shelf>,
    producer: Producer<Contents>,
    /// A collector is woken when so many have been pushed.
    wake_at: usize,
}

/// What hub and thread share.
pub(super) struct Shelf {
    consumer: Mutex<Shelved>,
    /// Sampled spans that the thread has started. It alone writes it.
    started: AtomicU64,
}

/// The collector's side of a shelf.
pub(super) struct Shelved {
    pub(super) consumer: Consumer<Contents>,
    /// Of the started spans, those that the hub knows of.
    reported: u64,
}

impl Shelf {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shelved> {
        self.consumer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spans that have started since this was asked last.
    pub(super) fn newly_started(&self, shelved: &mut Shelved) -> u64 {
        let started = self.started.load(Ordering::Relaxed);
        started - std::mem::replace(&mut shelved.reported, started)
    }
}

/// What is to be done outside of the desk.
enum Next {
    Nothing,
    /// This thread tells the sink itself.
    Hand(Arc<Hub>, Vec<Owned<Contents>>),
}

/// A vacant record for a span of `hub`. A span that is not `sampled` is not counted.
#[inline(always)]
pub(super) fn take(hub: &Arc<Hub>, sampled: bool) -> Owned<Contents> {
    let taken = DESK.try_with(|desk| {
        let mut desk = desk.try_borrow_mut().ok()?;
        if sampled {
            let started = &desk.seat(hub).shelf.started;
            // The thread's own: no read-modify-write is needed.
            started.store(started.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        desk.vacant()
    });
    match taken {
        Ok(Some(record)) => record,
        // The thread is being torn down.
        Ok(None) | Err(_) => {
            if sampled {
                hub.started_elsewhere(1);
            }
            one_vacant()
        }
    }
}

#[cold]
fn one_vacant() -> Owned<Contents> {
    let mut free = Vec::new();
    loop {
        pool::take(&mut free, 1);
        if let Some(record) = free.pop() {
            pool::give(free);
            return record;
        }
    }
}

/// Takes a record whose span has ended to the span's hub.
#[inline(always)]
pub(super) fn deposit(mut record: Owned<Contents>) {
    let (hub, is_told) = record.with(|contents| (contents.hub, contents.is_told()));
    if !is_told {
        return recycle(record);
    }
    let mut record = Some(record);
    let next = DESK.try_with(|desk| {
        let mut desk = desk.try_borrow_mut().ok()?;
        record.take().map(|record| desk.deposit(hub, record))
    });
    match next {
        Ok(Some(Next::Nothing)) => {}
        Ok(Some(Next::Hand(hub, records))) => hub.hand_now(records),
        // The thread is being torn down.
        Ok(None) | Err(_) => {
            if let Some(record) = record {
                match hub::find(hub) {
                    Some(hub) if !hub.is_foreign() => hub.hand_now([record]),
                    _ => recycle(record),
                }
            }
        }
    }
}

/// Empties a record and keeps it for the next span.
pub(super) fn recycle(mut record: Owned<Contents>) {
    record.with(Contents::clear);
    let mut record = Some(record);
    let _ = DESK.try_with(|desk| {
        if let Ok(mut desk) = desk.try_borrow_mut() {
            desk.free.extend(record.take());
            if desk.free.len() > KEPT {
                pool::give(desk.free.drain(KEPT / 2..));
            }
        }
    });
    if let Some(record) = record {
        pool::give([record]);
    }
}

/// Remembers the span of a function that is entered, until [`leave`].
#[inline(always)]
pub(super) fn enter(place: *const SpanContext, handle: Option<Handle<Contents>>) {
    let _ = DESK.try_with(|desk| {
        if let Ok(mut desk) = desk.try_borrow_mut() {
            desk.entered.push((place, handle));
        }
    });
}

/// The span of a function that is left; `None` if it was not entered on the fast path.
#[inline(always)]
pub(super) fn leave(place: *const SpanContext) -> Option<Option<Handle<Contents>>> {
    DESK.try_with(|desk| {
        let mut desk = desk.try_borrow_mut().ok()?;
        match desk.entered.last() {
            Some((entered, _)) if *entered == place => desk.entered.pop().map(|(_, handle)| handle),
            _ => desk.leave_out_of_order(place),
        }
    })
    .ok()
    .flatten()
}

impl Desk {
    const fn new() -> Self {
        Self {
            generation: 0,
            seats: Vec::new(),
            free: Vec::new(),
            refill: FIRST,
            entered: Vec::new(),
        }
    }

    /// As a rule there is nothing to find: spans that are not of the fast path are asked for, too.
    fn leave_out_of_order(
        &mut self,
        place: *const SpanContext,
    ) -> Option<Option<Handle<Contents>>> {
        let at = self
            .entered
            .iter()
            .rposition(|(entered, _)| *entered == place)?;
        Some(self.entered.remove(at).1)
    }

    #[inline(always)]
    fn vacant(&mut self) -> Option<Owned<Contents>> {
        let record = self.free.pop();
        if let [.., next, _] = &self.free[..] {
            // A collector had it last, on another core as a rule.
            next.fetch();
        }
        match record {
            Some(record) => Some(record),
            None => self.refill(),
        }
    }

    #[cold]
    fn refill(&mut self) -> Option<Owned<Contents>> {
        pool::take(&mut self.free, self.refill);
        self.refill = (self.refill * 2).min(KEPT / 2);
        self.free.pop()
    }

    /// The seat of `hub`.
    #[inline(always)]
    fn seat(&mut self, hub: &Arc<Hub>) -> &mut Seat {
        let is_first = self.generation == generation()
            && self.seats.first().is_some_and(|seat| seat.hub.id == hub.id);
        if !is_first {
            self.change_seat(hub);
        }
        &mut self.seats[0]
    }

    #[cold]
    fn change_seat(&mut self, hub: &Arc<Hub>) {
        self.leave_other_generation();
        match self.seats.iter().position(|seat| seat.hub.id == hub.id) {
            Some(at) => self.seats.swap(0, at),
            None => {
                self.seats.retain_mut(|seat| {
                    let is_open = !seat.hub.is_closed();
                    if !is_open {
                        seat.leave();
                    }
                    is_open
                });
                self.seats.insert(0, Seat::take(hub));
            }
        }
    }

    /// In a forked child the rings are copies of the parent's, and hold its spans.
    fn leave_other_generation(&mut self) {
        if self.generation != generation() {
            self.generation = generation();
            std::mem::forget(std::mem::take(&mut self.seats));
        }
    }

    #[inline(always)]
    fn deposit(&mut self, hub: u32, record: Owned<Contents>) -> Next {
        if self.generation == generation()
            && let Some(seat) = self.seats.first_mut()
            && seat.hub.id == hub
            && seat.hub.takes_batches()
        {
            return match seat.push(record) {
                Ok(()) => Next::Nothing,
                Err(record) => seat.hand_over(record),
            };
        }
        self.deposit_elsewhere(hub, record)
    }

    #[cold]
    fn deposit_elsewhere(&mut self, id: u32, record: Owned<Contents>) -> Next {
        match hub::find(id) {
            // It is closed: what ends now is lost, and counted as started and not ended.
            None => {
                self.discard(record);
                Next::Nothing
            }
            Some(hub) if hub.is_foreign() => {
                hub.forked();
                self.discard(record);
                Next::Nothing
            }
            Some(hub) if hub.is_immediate() => Next::Hand(hub, vec![record]),
            Some(hub) => {
                let seat = self.seat(&hub);
                match seat.push(record) {
                    Ok(()) => Next::Nothing,
                    Err(record) => seat.hand_over(record),
                }
            }
        }
    }

    fn discard(&mut self, mut record: Owned<Contents>) {
        record.with(Contents::clear);
        self.free.push(record);
    }
}

impl Seat {
    fn take(hub: &Arc<Hub>) -> Self {
        let (producer, consumer) = ring(hub.ring_capacity());
        let shelf = Arc::new(Shelf {
            consumer: Mutex::new(Shelved {
                consumer,
                reported: 0,
            }),
            started: AtomicU64::new(0),
        });
        hub.add_shelf(Arc::clone(&shelf));
        Self {
            hub: Arc::clone(hub),
            shelf,
            producer,
            wake_at: (hub.ring_capacity() / 2).max(1),
        }
    }

    #[inline(always)]
    fn push(&mut self, record: Owned<Contents>) -> Result<(), Owned<Contents>> {
        self.producer.push(record)?;
        if self.producer.pushed() == self.wake_at {
            self.wake();
        }
        Ok(())
    }

    #[cold]
    fn wake(&mut self) {
        self.wake_at = self
            .wake_at
            .wrapping_add((self.hub.ring_capacity() / 2).max(1));
        self.hub.wake();
    }

    /// The ring is full: what is in it waits at the hub, and so does `record`.
    #[cold]
    fn hand_over(&mut self, record: Owned<Contents>) -> Next {
        let mut records = Vec::with_capacity(self.hub.ring_capacity() + 1);
        // Locked until they are handed over: a collector that finds the ring empty finds them there.
        let mut shelved = self.shelf.lock();
        shelved.consumer.drain(|record| records.push(record));
        records.push(record);
        self.hub.hand_over(&mut records);
        drop(shelved);
        if records.is_empty() {
            Next::Nothing
        } else {
            Next::Hand(Arc::clone(&self.hub), records)
        }
    }

    /// The thread, or the hub, is at its end.
    fn leave(&mut self) {
        let mut records = Vec::new();
        let mut shelved = self.shelf.lock();
        shelved.consumer.drain(|record| records.push(record));
        let started = self.shelf.newly_started(&mut shelved);
        self.hub.started_elsewhere(started);
        if self.hub.is_closed() {
            for record in &mut records {
                record.with(Contents::clear);
            }
            pool::give(records.drain(..));
        } else {
            // Before the lock is given up, as above.
            self.hub.hand_over(&mut records);
        }
        drop(shelved);
        self.hub.hand_now(records);
        self.hub.remove_shelf(&self.shelf);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.leave_other_generation();
        for seat in &mut self.seats {
            seat.leave();
        }
        pool::give(self.free.drain(..));
    }
}
