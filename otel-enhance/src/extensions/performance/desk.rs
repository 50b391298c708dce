//! What a thread keeps for its spans: free records, and a ring to each hub that it ends spans for.
//!
//! Everything here belongs to the thread alone. The other end of a ring is on a [`Shelf`], which the hub
//! knows; at the thread's end what is in the ring is handed over, and nothing is left behind.
#![expect(
    unsafe_code,
    reason = "`LocalKey::with` is a call of its own where its closure is as large as a span"
)]

use std::cell::{RefCell, RefMut};
use std::sync::Arc;

use super::clock::{Watch, clock};
use super::contents::{self, Contents, UNKNOWN};
use super::hub::{self, Hub, NUMBERS_END};
use super::ids::IdRng;
use super::numbered;
use super::pool;
use super::record::{Handle, Owned, Sealed};
use super::ring::Producer;
use super::shelves::{Left, Shelf};
use super::sync;
use crate::lifecycle::generation;

/// The most free records that a thread keeps.
pub(super) const KEPT: usize = 128;
/// A thread begins with few, in case it makes few spans.
const FIRST: usize = 8;

thread_local! {
    static DESK: RefCell<Desk> = const { RefCell::new(Desk::new()) };
}

pub(super) struct Desk {
    /// The installation whose spans are those of the first seat; 0 where that has to be found out.
    installation: u64,
    /// Of the process, when the seats were taken.
    generation: u32,
    /// The one used last is the first.
    seats: Vec<Seat>,
    free: Vec<Owned<Contents>>,
    refill: usize,
    /// Attributes that the last span was given at its start.
    usual: usize,
    pub(super) watch: Watch,
    /// See [`Desk::rng`].
    rng: Option<IdRng>,
}

/// One hub's place at the desk.
pub(super) struct Seat {
    /// Of the hub.
    id: u32,
    /// Of which spans are put into the ring without asking further: the hub's number, or none where it has each span
    /// told by the thread that ends it.
    takes: u32,
    pub(super) hub: Arc<Hub>,
    shelf: sync::Arc<Shelf<Contents>>,
    producer: Producer<Contents>,
    /// Whether the sink reads notes.
    notes: bool,
    /// A collector is woken when so many have been pushed.
    wake_at: usize,
}

/// What is to be done outside of the desk: as a rule nothing, else this thread tells the hub's sink of
/// these.
type Next = Option<Box<(Arc<Hub>, ToTell)>>;

enum ToTell {
    /// By a hub that has each span told by the thread that ends it.
    One(Owned<Contents>),
    /// For which the backlog has no room.
    Left(Left<Contents>),
}

/// Calls `f` with the thread's desk, unless the thread is being torn down or is at its desk already.
#[inline(always)]
pub(super) fn with<R>(f: impl FnOnce(&mut Desk) -> R) -> Option<R> {
    // SAFETY: it is dropped here.
    let mut desk = unsafe { sit() }?;
    Some(f(&mut desk))
}

/// The thread's desk, for a function that is as large as a span, which is compiled in place where a closure is
/// called.
///
/// # Safety
///
/// What this returns is kept in a variable of the caller's, which dies before its thread does.
#[inline(always)]
pub(super) unsafe fn sit<'a>() -> Option<RefMut<'a, Desk>> {
    // The closure is small, and so is called in place.
    let desk = DESK.try_with(std::ptr::from_ref).ok()?;
    // SAFETY: what a thread has is destroyed when the thread ends, and the caller says that the reference is
    // gone by then. Of the desk itself there are shared references only.
    unsafe { &*desk }.try_borrow_mut().ok()
}

/// Whether the thread has a desk, which it will leave.
pub(super) fn is_there() -> bool {
    DESK.try_with(|_| ()).is_ok()
}

/// From now on the thread's next span finds out which backend is installed.
pub(crate) fn ask_again() {
    let _ = with(|desk| desk.installation = 0);
}

/// Until further notice the spans of this installation are those of `hub`.
pub(super) fn prefer(hub: &Arc<Hub>, installation: u64) {
    // A forked child takes no seat at its parent's: the lock that this takes may be held by a thread that was not
    // forked.
    if hub.is_foreign() {
        return;
    }
    let _ = with(|desk| {
        desk.seat(hub);
        desk.installation = installation;
    });
}

/// A vacant record for a span of `hub`. A span that is not `sampled` is not counted.
#[inline(always)]
pub(super) fn take(hub: &Arc<Hub>, sampled: bool) -> Owned<Contents> {
    let taken = with(|desk| {
        if sampled && !hub.is_foreign() {
            desk.seat(hub).count_started();
        }
        desk.vacant()
    });
    match taken.flatten() {
        Some(record) => record,
        // The thread is being torn down.
        None => {
            if sampled {
                hub.shelves().started_elsewhere(1);
            }
            one_vacant()
        }
    }
}

#[cold]
pub(super) fn one_vacant() -> Owned<Contents> {
    let mut free = Vec::new();
    loop {
        pool::take(&mut free, 1);
        if let Some(record) = free.pop() {
            pool::give(free);
            return record;
        }
    }
}

/// Ends the span of a handle now, unless it has ended.
#[inline(always)]
pub(super) fn end_now(handle: Handle<Contents>) {
    // SAFETY: it is dropped here.
    let Some(mut desk) = (unsafe { sit() }) else {
        return end_without_desk(handle);
    };
    let next = desk.end(handle);
    drop(desk);
    if next.is_some() {
        hand(next);
    }
}

#[cold]
fn end_without_desk(handle: Handle<Contents>) {
    let now = clock().now();
    if let Some(record) = handle.end(|contents| contents.end(now)) {
        deposit_without_desk(record);
    }
}

/// Takes a record whose span has ended to the span's hub.
pub(super) fn deposit(record: Owned<Contents>) {
    let mut record = Some(record);
    let next = with(|desk| record.take().and_then(|record| desk.deposit(record)));
    hand(next.flatten());
    if let Some(record) = record {
        deposit_without_desk(record);
    }
}

#[cold]
fn hand(next: Next) {
    if let Some(next) = next {
        match *next {
            (hub, ToTell::One(record)) => hub.hand_now(record),
            (hub, ToTell::Left(left)) => hub.hand_left(left),
        }
    }
}

/// The thread is being torn down.
fn deposit_without_desk(mut record: Owned<Contents>) {
    let hub = record.with(|contents| contents.hub);
    match hub::find(hub) {
        Some(hub) if !hub.is_foreign() => hub.hand_now(record),
        _ => recycle(record),
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

impl Desk {
    const fn new() -> Self {
        Self {
            generation: 0,
            installation: 0,
            seats: Vec::new(),
            free: Vec::new(),
            refill: FIRST,
            usual: 0,
            watch: Watch::new(),
            rng: None,
        }
    }

    /// The first seat, if that is where the spans of this installation are from.
    #[inline(always)]
    pub(super) fn seat_of_installation(&self, installation: u64) -> Option<&Seat> {
        let is_known = self.installation == installation && self.generation == generation();
        self.seats.first().filter(|_| is_known)
    }

    /// Random numbers of this thread and process: a seat is taken anew in a forked child.
    #[inline(always)]
    pub(super) fn rng(&mut self) -> &mut IdRng {
        self.rng.get_or_insert_with(IdRng::seeded)
    }

    #[inline(always)]
    pub(super) fn vacant(&mut self) -> Option<Owned<Contents>> {
        let Some(record) = self.free.pop() else {
            return self.refill();
        };
        if let [.., next, _] = &self.free[..] {
            // A collector had it last, on another core as a rule.
            contents::fetch(next, self.usual);
        }
        Some(record)
    }

    /// A span starts with so many attributes: so may the next one.
    #[inline(always)]
    pub(super) const fn expect(&mut self, attributes: u32) {
        self.usual = attributes as usize;
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
            && self.seats.first().is_some_and(|seat| seat.id == hub.id);
        if !is_first {
            self.change_seat(hub);
        }
        &mut self.seats[0]
    }

    #[cold]
    fn change_seat(&mut self, hub: &Arc<Hub>) {
        self.installation = 0;
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
            self.rng = None;
            std::mem::forget(std::mem::take(&mut self.seats));
        }
    }

    #[inline(always)]
    fn end(&mut self, handle: Handle<Contents>) -> Next {
        let now = self.watch.now();
        let record = handle.end(|contents| contents.end(now))?;
        self.deposit(record)
    }

    #[inline(always)]
    fn deposit(&mut self, mut record: Owned<Contents>) -> Next {
        let hub = record.with(|contents| contents.hub);
        if self.generation == generation()
            && let Some(seat) = self.seats.first_mut()
            && seat.takes == hub
            && !seat.hub.is_closed()
        {
            let note = if seat.notes {
                record.with(|contents| contents.note())
            } else {
                UNKNOWN
            };
            return match seat.push(record.seal(note)) {
                Ok(()) => None,
                Err(record) => seat.hand_over(record),
            };
        }
        self.deposit_elsewhere(hub, record)
    }

    #[cold]
    fn deposit_elsewhere(&mut self, id: u32, record: Owned<Contents>) -> Next {
        match hub::find(id) {
            // It is closed: what ends now is lost, and counted as started and not ended. Or it does not
            // want to know.
            None => {
                self.discard(record);
                None
            }
            Some(hub) if hub.is_foreign() => {
                hub.forked();
                self.discard(record);
                None
            }
            Some(hub) if hub.is_immediate() => Some(Box::new((hub, ToTell::One(record)))),
            Some(hub) => {
                let seat = self.seat(&hub);
                match seat.push(record.seal(UNKNOWN)) {
                    Ok(()) => None,
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
        let (shelf, producer) = hub.shelves().add(hub.ring_capacity());
        Self {
            id: hub.id,
            takes: if hub.is_immediate() {
                NUMBERS_END
            } else {
                hub.id
            },
            hub: Arc::clone(hub),
            shelf,
            producer,
            notes: hub.notes,
            wake_at: (hub.ring_capacity() / 2).max(1),
        }
    }

    /// A sampled span starts.
    #[inline(always)]
    pub(super) fn count_started(&self) {
        self.shelf.count_started();
    }

    #[inline(always)]
    fn push(&mut self, record: Sealed<Contents>) -> Result<(), Sealed<Contents>> {
        let pushed = self.producer.push(record)?;
        if pushed == self.wake_at {
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
    fn hand_over(&mut self, record: Sealed<Contents>) -> Next {
        let left = self.hub.shelves().hand_over(&self.shelf, Some(record));
        self.hub.wake();
        (!left.records.is_empty()).then(|| Box::new((Arc::clone(&self.hub), ToTell::Left(left))))
    }

    /// The thread, or the hub, is at its end.
    fn leave(&mut self) {
        let left = self.hub.shelves().leave(&self.shelf);
        self.hub.wake();
        self.hub.hand_left(left);
        // Not before nothing of it is left: who joins a thread's closure and shuts down may be there before the
        // thread itself is at its end.
        self.hub.shelves().remove(&self.shelf);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.leave_other_generation();
        for seat in &mut self.seats {
            seat.leave();
        }
        pool::give(self.free.drain(..));
        numbered::leave();
    }
}
