//! What the queue's mutex guards.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Bounds, Level, Refusal, Store, Ticket};

/// The most items of a chunk: few enough to move one by one, many enough to be rare.
const CHUNK: usize = 256;
/// Batches begin at this part of their items while no other is out, and double with each that is.
const FIRST_BATCH: usize = 4;

#[derive(Debug)]
pub(super) struct State<S> {
    /// Oldest first. The last one is being filled.
    chunks: VecDeque<Chunk<S>>,
    /// Emptied chunks, for their memory.
    spare: Vec<S>,
    /// A batch's worth.
    spare_max: usize,
    chunk_items: usize,
    chunk_bytes: usize,
    pub(super) waiting: usize,
    waiting_bytes: usize,
    /// Of those that wait and those in flight.
    held_bytes: usize,
    peak_bytes: usize,
    /// Items ever let in: the position of the next one. That of the oldest that waits is
    /// `pushed - waiting`.
    pub(super) pushed: u64,
    in_flight: Vec<Ticket>,
    in_flight_items: usize,
    taken: u64,
    /// What is older than this position waits no longer for company.
    pub(super) flush_to: u64,
    /// Somebody found no room since the last batch was taken.
    crowded: bool,
    pub(super) closed: bool,
    /// When everything is taken that waits.
    pub(super) tick: Instant,
    pub(super) workers: usize,
    pub(super) idle: usize,
    /// One of the idle is being woken.
    pub(super) waking: bool,
    pub(super) has_timekeeper: bool,
    /// Producers that wait for room.
    pub(super) blocked: usize,
    /// Flushes that wait.
    pub(super) flushing: usize,
}

#[derive(Debug)]
pub(super) struct Chunk<S> {
    items: S,
    bytes: usize,
}

impl<S: Store> Chunk<S> {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}

impl<S: Store> State<S> {
    pub(super) fn new(bounds: &Bounds) -> Self {
        // Whole chunks make a batch, so a batch is cut into equal ones.
        let chunks = bounds.batch_items.div_ceil(CHUNK);
        Self {
            chunks: VecDeque::new(),
            spare: Vec::new(),
            spare_max: chunks,
            chunk_items: bounds.batch_items / chunks,
            chunk_bytes: (bounds.batch_bytes / 16).max(1),
            waiting: 0,
            waiting_bytes: 0,
            held_bytes: 0,
            peak_bytes: 0,
            pushed: 0,
            in_flight: Vec::with_capacity(bounds.in_flight),
            in_flight_items: 0,
            taken: 0,
            flush_to: 0,
            crowded: false,
            closed: false,
            tick: Instant::now() + bounds.delay,
            workers: 0,
            idle: 0,
            waking: false,
            has_timekeeper: false,
            blocked: 0,
            flushing: 0,
        }
    }

    /// What is in the way of one more item, if anything is.
    pub(super) fn lacks_room(&self, bounds: &Bounds, weight: usize) -> Option<Refusal> {
        if self.waiting >= bounds.items {
            return Some(Refusal::Items);
        }
        (weight > bounds.bytes.saturating_sub(self.held_bytes)).then_some(Refusal::Bytes)
    }

    /// Whether there would be room if nothing waited.
    pub(super) fn could_fit(&self, bounds: &Bounds, weight: usize) -> bool {
        let in_flight = self.held_bytes - self.waiting_bytes;
        self.waiting > 0 && weight <= bounds.bytes.saturating_sub(in_flight)
    }

    pub(super) fn append(&mut self, item: S::Item<'_>, weight: usize) {
        if !self.last_takes(1, weight) {
            let items = self.spare.pop().unwrap_or_default();
            self.chunks.push_back(Chunk { items, bytes: 0 });
        }
        if let Some(last) = self.chunks.back_mut() {
            last.items.push(item);
            last.bytes += weight;
        }
        self.account_for(1, weight);
    }

    /// Whether the chunk that is being filled has room for so much more.
    #[inline(always)]
    fn last_takes(&self, items: usize, weight: usize) -> bool {
        self.chunks.back().is_some_and(|last| {
            last.items.len() + items <= self.chunk_items && last.bytes + weight <= self.chunk_bytes
        })
    }

    /// So much has been appended.
    #[inline(always)]
    fn account_for(&mut self, items: usize, weight: usize) {
        self.waiting += items;
        self.waiting_bytes += weight;
        self.held_bytes += weight;
        self.peak_bytes = self.peak_bytes.max(self.held_bytes);
        self.pushed += items as u64;
    }

    /// Whether a group of so many items goes where the last item went.
    pub(super) fn takes_group(&self, bounds: &Bounds, items: usize, weight: usize) -> bool {
        !self.closed
            && bounds.items.saturating_sub(self.waiting) >= items
            && bounds.bytes.saturating_sub(self.held_bytes) >= weight
            && self.last_takes(items, weight)
    }

    /// Appends a group that is [taken](Self::takes_group).
    #[inline(always)]
    pub(super) fn append_group<'a>(
        &mut self,
        group: impl ExactSizeIterator<Item = S::Item<'a>>,
        weight: usize,
    ) {
        let Some(last) = self.chunks.back_mut() else {
            return;
        };
        let items = group.len();
        last.items.push_all(group);
        last.bytes += weight;
        self.account_for(items, weight);
    }

    /// Throws the oldest item out.
    pub(super) fn evict(&mut self, evicted: &mut S) {
        let Some(first) = self.chunks.front_mut() else {
            return;
        };
        let Some(weight) = first.items.move_oldest(evicted) else {
            return;
        };
        first.bytes -= weight;
        if first.len() == 0
            && let Some(mut empty) = self.chunks.pop_front()
        {
            empty.items.clear();
            self.recycle(vec![empty.items]);
        }
        self.waiting -= 1;
        self.waiting_bytes -= weight;
        self.held_bytes -= weight;
    }

    /// Somebody found no room; whether a worker is to be woken for that.
    pub(super) fn crowd(&mut self) -> bool {
        self.crowded = true;
        let wake = self.idle > 0 && !self.waking && self.waiting > 0;
        self.waking |= wake;
        wake
    }

    /// Whether an idle worker is to be woken; it counts as woken then.
    pub(super) fn should_wake(&mut self, bounds: &Bounds) -> bool {
        let wake = self.idle > 0 && !self.waking && self.is_ready(bounds);
        self.waking |= wake;
        wake
    }

    /// Whether a batch is to be taken now.
    pub(super) fn is_ready(&self, bounds: &Bounds) -> bool {
        if self.waiting == 0 || self.in_flight.len() >= bounds.in_flight {
            return false;
        }
        // A receiver that keeps up gets small batches soon. One that does not gets large ones.
        let grown = 1 << self.in_flight.len().min(FIRST_BATCH.ilog2() as usize);
        self.crowded
            || self.closed
            || self.pushed - (self.waiting as u64) < self.flush_to
            || self.waiting * FIRST_BATCH >= bounds.batch_items * grown
            // What a request costs by itself is worth spans, not bytes: these are a bound alone.
            || self.waiting_bytes >= bounds.batch_bytes
    }

    /// Takes the oldest chunks that make a batch.
    pub(super) fn take(&mut self, bounds: &Bounds) -> (Vec<S>, Ticket) {
        let mut ticket = Ticket {
            start: self.pushed - self.waiting as u64,
            items: 0,
            bytes: 0,
        };
        let mut taken = Vec::new();
        while let Some(next) = self.chunks.front() {
            let too_many = ticket.items + next.items.len() > bounds.batch_items
                || ticket.bytes + next.bytes > bounds.batch_bytes;
            if too_many && ticket.items > 0 {
                break;
            }
            ticket.items += next.items.len();
            ticket.bytes += next.bytes;
            taken.extend(self.chunks.pop_front().map(|chunk| chunk.items));
        }
        self.waiting -= ticket.items;
        self.waiting_bytes -= ticket.bytes;
        self.in_flight_items += ticket.items;
        self.taken += ticket.items as u64;
        self.in_flight.push(ticket);
        self.crowded = false;
        (taken, ticket)
    }

    /// Keeps the memory of emptied chunks.
    pub(super) fn recycle(&mut self, empty: Vec<S>) {
        let wanted = self.spare_max.saturating_sub(self.spare.len());
        self.spare.extend(empty.into_iter().take(wanted));
    }

    pub(super) fn give_back(&mut self, ticket: Ticket) {
        // A position begins one batch only.
        if let Some(at) = self.in_flight.iter().position(|out| *out == ticket) {
            self.in_flight.swap_remove(at);
            self.in_flight_items -= ticket.items;
            self.held_bytes -= ticket.bytes;
        }
    }

    /// Whether everything before `target` has left the queue and is completed.
    pub(super) fn is_completed(&self, target: u64) -> bool {
        self.pushed - self.waiting as u64 >= target
            && self.in_flight.iter().all(|out| out.start >= target)
    }

    pub(super) fn clear(&mut self) -> VecDeque<Chunk<S>> {
        self.held_bytes -= self.waiting_bytes;
        self.waiting = 0;
        self.waiting_bytes = 0;
        self.spare = Vec::new();
        std::mem::take(&mut self.chunks)
    }

    pub(super) fn level(&self) -> Level {
        Level {
            waiting: self.waiting,
            bytes: self.held_bytes,
            in_flight: self.in_flight_items,
            taken: self.taken,
            peak_bytes: self.peak_bytes,
        }
    }
}
