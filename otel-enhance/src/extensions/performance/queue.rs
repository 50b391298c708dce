//! What waits for its export: bounded by items and by bytes, taken out in batches that grow with
//! the load.
//!
//! One mutex guards the queue. Nobody works while holding it: items are kept in chunks, and a batch
//! is taken by moving a few chunks, whatever it holds.

mod state;
#[cfg(test)]
mod tests;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::state::{Chunk, State};
use super::store::Store;
use crate::config::DropPolicy;

/// The bounds of a queue and of the batches that leave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Items that wait.
    pub(crate) items: usize,
    /// Bytes of the items that wait and of those in the batches that are out.
    pub(crate) bytes: usize,
    /// Items in one batch.
    pub(crate) batch_items: usize,
    /// Bytes in one batch. A single item that weighs more makes a batch of its own.
    pub(crate) batch_bytes: usize,
    /// Batches out at once.
    pub(crate) in_flight: usize,
    /// How long an item may wait for company.
    pub(crate) delay: Duration,
}

/// A queue with many producers, drained by up to [`Bounds::in_flight`] workers.
#[derive(Debug)]
pub(crate) struct BatchQueue<S> {
    bounds: Bounds,
    policy: DropPolicy,
    state: Mutex<State<S>>,
    /// Workers wait here for something to take, all but one of them.
    work: Condvar,
    /// The one that keeps the time meanwhile.
    timekeeper: Condvar,
    /// Producers wait here for room, if the policy has them wait.
    room: Condvar,
    /// Flushes wait here.
    progress: Condvar,
}

/// What became of an item that was pushed.
#[derive(Debug)]
pub(crate) enum Pushed<S> {
    Kept,
    /// It is in, and these older ones are out for it.
    Evicted(S),
    Refused(Refusal),
}

/// Why an item was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many wait as may.
    Items,
    /// They hold as many bytes as they may.
    Bytes,
    /// The queue is closed.
    Closed,
}

/// Items to be exported together. Their bytes count until [`BatchQueue::completed`].
#[derive(Debug)]
pub(crate) struct Batch<S> {
    /// To be given to [`BatchQueue::recycle`] when they have been read.
    pub(crate) chunks: Vec<S>,
    pub(crate) ticket: Ticket,
    /// Nobody is left to take the next batch, and there may be one more worker.
    pub(crate) wants_worker: bool,
}

/// What a batch that is out is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The position of its first item among all that were ever let in.
    start: u64,
    pub(crate) items: usize,
    bytes: usize,
}

/// A look at the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) waiting: usize,
    /// Of those that wait and those in flight.
    pub(crate) bytes: usize,
    pub(crate) in_flight: usize,
    /// Items that have ever been taken.
    pub(crate) taken: u64,
    /// The most bytes that there ever were.
    pub(crate) peak_bytes: usize,
}

impl<S: Store> BatchQueue<S> {
    pub(crate) fn new(mut bounds: Bounds, policy: DropPolicy) -> Self {
        // Else a queue could be full with less than a batch in it.
        bounds.batch_items = bounds.batch_items.clamp(1, bounds.items.max(1));
        bounds.batch_bytes = bounds.batch_bytes.clamp(1, (bounds.bytes / 2).max(1));
        Self {
            bounds,
            policy,
            state: Mutex::new(State::new(&bounds)),
            work: Condvar::new(),
            timekeeper: Condvar::new(),
            room: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Lets `item` in, as far as the policy and the bounds allow. `may_wait` is false where a wait
    /// would be for oneself: on a thread that exports.
    pub(crate) fn push(&self, item: S::Item<'_>, may_wait: bool) -> Pushed<S> {
        let mut evicted = S::default();
        let (state, refused) = self.let_in(self.lock(), item, may_wait, &mut evicted);
        self.unlock(state, evicted.len() > 0);
        match refused {
            Some(refusal) => Pushed::Refused(refusal),
            None if evicted.len() == 0 => Pushed::Kept,
            None => Pushed::Evicted(evicted),
        }
    }

    /// The same with many items at once, each for itself. `refused` hears of each that is not let in;
    /// how many others are out for those that are.
    pub(crate) fn push_all<'a>(
        &self,
        items: impl IntoIterator<Item = S::Item<'a>>,
        may_wait: bool,
        mut refused: impl FnMut(Refusal),
    ) -> usize {
        let mut evicted = S::default();
        let mut state = self.lock();
        for item in items {
            // As a rule there is room: nothing is moved, and nobody asked what to do without.
            let weight = S::weight(&item);
            if !state.closed && state.lacks_room(&self.bounds, weight).is_none() {
                state.append(item, weight);
                continue;
            }
            let (locked, refusal) = self.let_in(state, item, may_wait, &mut evicted);
            state = locked;
            if let Some(refusal) = refusal {
                refused(refusal);
            }
        }
        self.unlock(state, evicted.len() > 0);
        evicted.len()
    }

    /// The same with a group of items that weigh so much together, which is as a rule put in as it is.
    #[inline(always)]
    pub(crate) fn push_group<'a>(
        &self,
        group: impl ExactSizeIterator<Item = S::Item<'a>>,
        weight: usize,
        may_wait: bool,
        refused: impl FnMut(Refusal),
    ) -> usize {
        let mut state = self.lock();
        if !state.takes_group(&self.bounds, group.len(), weight) {
            drop(state);
            return self.push_all(group, may_wait, refused);
        }
        state.append_group(group, weight);
        self.unlock(state, false);
        0
    }

    fn let_in<'q>(
        &'q self,
        mut state: MutexGuard<'q, State<S>>,
        item: S::Item<'_>,
        may_wait: bool,
        evicted: &mut S,
    ) -> (MutexGuard<'q, State<S>>, Option<Refusal>) {
        let weight = S::weight(&item);
        let mut deadline = None;
        loop {
            if state.closed {
                return (state, Some(Refusal::Closed));
            }
            let Some(lack) = state.lacks_room(&self.bounds, weight) else {
                state.append(item, weight);
                return (state, None);
            };
            if state.crowd() {
                self.work.notify_one();
            }
            match self.policy {
                DropPolicy::Oldest if state.could_fit(&self.bounds, weight) => {
                    state.evict(evicted);
                }
                DropPolicy::Block { deadline: wait } if may_wait => {
                    let until = *deadline.get_or_insert_with(|| Instant::now() + wait);
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() || weight > self.bounds.bytes {
                        return (state, Some(lack));
                    }
                    state.blocked += 1;
                    state = wait_timeout(&self.room, state, left).0;
                    state.blocked -= 1;
                }
                _ => return (state, Some(lack)),
            }
        }
    }

    /// Wakes whom items that were let in, or evicted, concern.
    fn unlock(&self, mut state: MutexGuard<'_, State<S>>, has_evicted: bool) {
        let wake_worker = state.should_wake(&self.bounds);
        let worker = self.waiting_worker(&state);
        let wake_flush = has_evicted && state.flushing > 0;
        drop(state);
        if wake_worker {
            worker.notify_one();
        }
        if wake_flush {
            self.progress.notify_all();
        }
    }

    /// Waits for the next batch; `None` when the queue is closed and empty. Every batch must be
    /// given back by [`BatchQueue::completed`].
    pub(crate) fn next(&self) -> Option<Batch<S>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if now >= state.tick {
                state.tick = now + self.bounds.delay;
                state.flush_to = state.pushed;
            }
            if state.is_ready(&self.bounds) {
                break;
            }
            if state.closed && state.waiting == 0 {
                return None;
            }
            state.idle += 1;
            if state.has_timekeeper {
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            } else {
                // One of those who wait keeps the time for all.
                state.has_timekeeper = true;
                let left = state.tick.saturating_duration_since(now);
                state = wait_timeout(&self.timekeeper, state, left).0;
                state.has_timekeeper = false;
            }
            state.idle -= 1;
            state.waking = false;
        }
        let (chunks, ticket) = state.take(&self.bounds);
        let hand_over = state.idle > 0 && (!state.has_timekeeper || state.is_ready(&self.bounds));
        let wants_worker = state.idle == 0 && state.workers < self.bounds.in_flight;
        if wants_worker {
            // Counted here, so that one is started and not one for each who sees the need.
            state.workers += 1;
        }
        let next = self.waiting_worker(&state);
        // Those that wait in the queue have fewer before them now.
        let wake_blocked = state.blocked > 0;
        drop(state);
        if hand_over {
            next.notify_one();
        }
        if wake_blocked {
            self.room.notify_all();
        }
        Some(Batch {
            chunks,
            ticket,
            wants_worker,
        })
    }

    /// Gives the chunks of a batch back, for their memory.
    pub(crate) fn recycle(&self, mut chunks: Vec<S>) {
        chunks.iter_mut().for_each(S::clear);
        self.lock().recycle(chunks);
    }

    /// The export of a batch is over, whatever came of it.
    pub(crate) fn completed(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.give_back(ticket);
        let (blocked, flushing) = (state.blocked > 0, state.flushing > 0);
        drop(state);
        if blocked {
            self.room.notify_all();
        }
        if flushing {
            self.progress.notify_all();
        }
    }

    /// Has everything taken that waits now, and waits until it is completed; `false` if `deadline`
    /// comes first.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        let target = state.pushed;
        state.flush_to = state.flush_to.max(target);
        state.flushing += 1;
        // The first who takes a batch hands over to the next.
        self.waiting_worker(&state).notify_one();
        let done = loop {
            if state.is_completed(target) {
                break true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            state = wait_timeout(&self.progress, state, left).0;
        };
        state.flushing -= 1;
        done
    }

    /// Lets nothing in any more, and lets the workers go once everything is taken.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.flush_to = state.pushed;
        drop(state);
        self.work.notify_all();
        self.timekeeper.notify_all();
        self.room.notify_all();
    }

    /// Closes it and throws away what waits; how many that were.
    pub(crate) fn discard(&self) -> usize {
        let mut state = self.lock();
        state.closed = true;
        let discarded = state.clear();
        drop(state);
        self.work.notify_all();
        self.timekeeper.notify_all();
        self.room.notify_all();
        self.progress.notify_all();
        discarded.iter().map(Chunk::len).sum()
    }

    /// Counts a worker that is about to start, if there may be one.
    pub(crate) fn worker_starts(&self) -> bool {
        let mut state = self.lock();
        let may = state.workers < self.bounds.in_flight;
        state.workers += usize::from(may);
        may
    }

    /// A worker has ended, or could not be started.
    pub(crate) fn worker_ended(&self) {
        self.lock().workers -= 1;
    }

    pub(crate) fn level(&self) -> Level {
        self.lock().level()
    }

    /// Where a worker waits who is best woken: whoever keeps the time goes on, so that nobody else has to
    /// be woken to take its place.
    fn waiting_worker(&self, state: &State<S>) -> &Condvar {
        if state.idle > usize::from(state.has_timekeeper) {
            &self.work
        } else {
            &self.timekeeper
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_timeout<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let (guard, result) = condvar
        .wait_timeout(guard, timeout)
        .unwrap_or_else(PoisonError::into_inner);
    (guard, result.timed_out())
}
