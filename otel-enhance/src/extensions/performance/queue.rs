//! What waits for its export: bounded by items and by bytes, taken out in batches that grow with
//! the load.
//!
//! One mutex guards the queue. Nobody works while holding it: items are kept in chunks, and a batch
//! is taken by moving a few chunks, whatever it holds.

mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::state::{Chunk, State};
use super::weight::Weigh;
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
pub(crate) struct BatchQueue<T> {
    bounds: Bounds,
    policy: DropPolicy,
    state: Mutex<State<T>>,
    /// Workers wait here for something to take.
    work: Condvar,
    /// Producers wait here for room, if the policy has them wait.
    room: Condvar,
    /// Flushes wait here.
    progress: Condvar,
}

/// What became of an item that was pushed.
#[derive(Debug)]
pub(crate) enum Pushed<T> {
    Kept,
    /// It is in, and these older ones are out for it.
    Evicted(Vec<T>),
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
pub(crate) struct Batch<T> {
    pub(crate) items: Vec<T>,
    pub(crate) ticket: Ticket,
    /// Nobody is left to take the next batch, and there may be one more worker.
    pub(crate) wants_worker: bool,
}

/// What a batch that is out is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The position of its first item among all that were ever let in.
    start: u64,
    items: usize,
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

impl<T: Weigh> BatchQueue<T> {
    pub(crate) fn new(mut bounds: Bounds, policy: DropPolicy) -> Self {
        // Else a queue could be full with less than a batch in it.
        bounds.batch_items = bounds.batch_items.clamp(1, bounds.items.max(1));
        bounds.batch_bytes = bounds.batch_bytes.clamp(1, (bounds.bytes / 2).max(1));
        Self {
            bounds,
            policy,
            state: Mutex::new(State::new(&bounds)),
            work: Condvar::new(),
            room: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Lets `item` in, as far as the policy and the bounds allow. `may_wait` is false where a wait
    /// would be for oneself: on a thread that exports.
    pub(crate) fn push(&self, item: T, may_wait: bool) -> Pushed<T> {
        let weight = item.weight();
        let mut state = self.lock();
        let mut evicted = Vec::new();
        let mut deadline = None;
        loop {
            if state.closed {
                return Pushed::Refused(Refusal::Closed);
            }
            let Some(lack) = state.lacks_room(&self.bounds, weight) else {
                break;
            };
            let wake = state.crowd();
            if wake {
                self.work.notify_one();
            }
            match self.policy {
                DropPolicy::Oldest if state.could_fit(&self.bounds, weight) => {
                    evicted.extend(state.evict());
                }
                DropPolicy::Block { deadline: wait } if may_wait => {
                    let until = *deadline.get_or_insert_with(|| Instant::now() + wait);
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() || weight > self.bounds.bytes {
                        return Pushed::Refused(lack);
                    }
                    state.blocked += 1;
                    state = wait_timeout(&self.room, state, left).0;
                    state.blocked -= 1;
                }
                _ => return Pushed::Refused(lack),
            }
        }
        state.append(item, weight);
        let wake_worker = state.should_wake(&self.bounds);
        let wake_flush = !evicted.is_empty() && state.flushing > 0;
        drop(state);
        if wake_worker {
            self.work.notify_one();
        }
        if wake_flush {
            self.progress.notify_all();
        }
        if evicted.is_empty() {
            Pushed::Kept
        } else {
            Pushed::Evicted(evicted)
        }
    }

    /// Waits for the next batch; `None` when the queue is closed and empty. Every batch must be
    /// given back by [`BatchQueue::completed`].
    pub(crate) fn next(&self) -> Option<Batch<T>> {
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
                state = wait_timeout(&self.work, state, left).0;
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
        // Those that wait in the queue have fewer before them now.
        let wake_blocked = state.blocked > 0;
        drop(state);
        if hand_over {
            self.work.notify_one();
        }
        if wake_blocked {
            self.room.notify_all();
        }
        Some(Batch {
            items: self.unpack(chunks, ticket.items),
            ticket,
            wants_worker,
        })
    }

    /// Moves the items of `chunks` into one list, outside of the lock, and gives the chunks back.
    fn unpack(&self, chunks: Vec<Chunk<T>>, items: usize) -> Vec<T> {
        let mut list = Vec::with_capacity(items);
        let mut empty = Vec::with_capacity(chunks.len());
        for mut chunk in chunks {
            list.extend(chunk.items.drain(..));
            empty.push(chunk.items);
        }
        self.lock().recycle(empty);
        list
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
        self.work.notify_one();
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
        self.room.notify_all();
    }

    /// Closes it and throws away what waits; how many that were.
    pub(crate) fn discard(&self) -> usize {
        let mut state = self.lock();
        state.closed = true;
        let discarded = state.clear();
        drop(state);
        self.work.notify_all();
        self.room.notify_all();
        self.progress.notify_all();
        discarded.iter().map(|chunk| chunk.items.len()).sum()
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

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_timeout<'a, S>(
    condvar: &Condvar,
    guard: MutexGuard<'a, S>,
    timeout: Duration,
) -> (MutexGuard<'a, S>, bool) {
    let (guard, result) = condvar
        .wait_timeout(guard, timeout)
        .unwrap_or_else(PoisonError::into_inner);
    (guard, result.timed_out())
}
