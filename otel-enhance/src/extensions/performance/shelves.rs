//! Ended records between the thread that ended their spans and whoever collects them.
//!
//! At every instant a record is where a collection finds it: in the ring of a shelf that is known here, in the
//! backlog, or with a thread that tells the sink of it, which its shelf says: whoever collects waits for that
//! ([`Gathered::tellers`]). A record leaves a ring only while its shelf is locked, goes to the next of these places
//! before the lock is given up, and a shelf is known until there is nothing of it.

use std::collections::VecDeque;

use super::record::Sealed;
use super::ring::{Consumer, Producer, ring};
use super::sync::{Arc, AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

/// The shelves of one hub.
pub(super) struct Shelves<T: Send + 'static> {
    known: Mutex<Vec<Arc<Shelf<T>>>>,
    backlog: Mutex<Backlog<T>>,
    /// Spans of threads that could not count them, or are no more.
    started: AtomicU64,
    /// See [`Shelves::end`]. Written under the lock of the backlog.
    is_over: AtomicBool,
}

struct Backlog<T: Send + 'static> {
    records: Vec<Sealed<T>>,
    /// The most that are let in.
    room: usize,
}

/// What hub and thread share.
pub(super) struct Shelf<T: Send + 'static> {
    consumer: Mutex<Shelved<T>>,
    /// Sampled spans that the thread has started. It alone writes it.
    started: AtomicU64,
    /// Odd while the thread tells the sink of records that it has taken out of its ring. It alone writes it.
    telling: AtomicU64,
}

/// The collector's side of a shelf.
struct Shelved<T: Send + 'static> {
    consumer: Consumer<T>,
    /// Of the started spans, those that the hub knows of.
    reported: u64,
}

/// Records for which there is no room.
#[must_use = "records that are not given back are lost"]
pub(super) struct Left<T: Send + 'static> {
    pub(super) records: Vec<Sealed<T>>,
    /// To be kept while the sink is told of them; `None` where nobody hears of them any more.
    pub(super) telling: Option<Telling<T>>,
}

/// A thread tells the sink of records, for as long as this lives.
#[must_use = "a collection waits for this to be dropped"]
pub(super) struct Telling<T: Send + 'static>(Arc<Shelf<T>>);

/// A thread that was telling the sink of records when this was made.
pub(super) struct Teller<T: Send + 'static> {
    shelf: Arc<Shelf<T>>,
    telling: u64,
}

/// What a collection finds beside records.
pub(super) struct Gathered<T: Send + 'static> {
    /// Spans that have started since the last collection.
    pub(super) started: u64,
    /// When they are done, every span that had ended is here, or the sink knows of it.
    pub(super) tellers: Vec<Teller<T>>,
}

impl<T: Send> Shelves<T> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            known: Mutex::new(Vec::new()),
            backlog: Mutex::new(Backlog {
                records: Vec::new(),
                room,
            }),
            started: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// A shelf for the running thread, and its end of the ring.
    pub(super) fn add(&self, capacity: usize) -> (Arc<Shelf<T>>, Producer<T>) {
        let (producer, consumer) = ring(capacity);
        let shelf = Arc::new(Shelf {
            consumer: Mutex::new(Shelved {
                consumer,
                reported: 0,
            }),
            started: AtomicU64::new(0),
            telling: AtomicU64::new(0),
        });
        lock(&self.known).push(Arc::clone(&shelf));
        (shelf, producer)
    }

    /// Forgets a shelf of which nothing is left.
    pub(super) fn remove(&self, shelf: &Arc<Shelf<T>>) {
        let mut known = lock(&self.known);
        if let Some(at) = known.iter().position(|other| Arc::ptr_eq(other, shelf)) {
            known.swap_remove(at);
        }
    }

    #[cfg(all(test, not(otel_enhance_loom)))]
    pub(super) fn len(&self) -> usize {
        lock(&self.known).len()
    }

    /// As a thread that is at work here.
    #[cfg(all(test, not(otel_enhance_loom)))]
    pub(super) fn occupy(&self) -> impl Sized {
        (lock(&self.known), lock(&self.backlog))
    }

    /// Spans of a thread that is being torn down.
    pub(super) fn started_elsewhere(&self, spans: u64) {
        self.started.fetch_add(spans, Ordering::Relaxed);
    }

    /// The thread of `shelf` has its ring emptied into the backlog, and `last` after that.
    pub(super) fn hand_over(&self, shelf: &Arc<Shelf<T>>, last: Option<Sealed<T>>) -> Left<T> {
        let mut shelved = lock(&shelf.consumer);
        let mut records = shelved.take_all();
        records.extend(last);
        let is_over = {
            let mut backlog = lock(&self.backlog);
            let is_over = self.is_over.load(Ordering::Relaxed);
            if !is_over {
                let room = backlog.room.saturating_sub(backlog.records.len());
                let room = room.min(records.len());
                backlog.records.extend(records.drain(..room));
            }
            is_over
        };
        // While the shelf is locked.
        let telling = (!is_over && !records.is_empty()).then(|| Telling::of(shelf));
        drop(shelved);
        Left { records, telling }
    }

    /// The same by a thread at its end, whose shelf is to be [removed](Self::remove) once the sink knows of what is
    /// left.
    pub(super) fn leave(&self, shelf: &Arc<Shelf<T>>) -> Left<T> {
        self.started_elsewhere(shelf.newly_started(&mut lock(&shelf.consumer)));
        self.hand_over(shelf, None)
    }

    /// Takes all records that there are now, oldest first, as far as one can say.
    pub(super) fn gather(&self, records: &mut VecDeque<Sealed<T>>) -> Gathered<T> {
        // What was handed over is older than what is in the rings.
        records.extend(self.take_backlog());
        let mut started = 0;
        let mut tellers = Vec::new();
        // A shelf that is gone by now has left its records in the backlog, or the sink knows of them.
        let known = lock(&self.known).clone();
        for shelf in known {
            let mut shelved = lock(&shelf.consumer);
            let there = shelved.consumer.len();
            records.reserve(there);
            shelved.consumer.drain(|record| records.push_back(record));
            started += shelf.newly_started(&mut shelved);
            // One that begins does so while the shelf is locked. Acquire: of one that is done we see what the sink was
            // told.
            let telling = shelf.telling.load(Ordering::Acquire);
            drop(shelved);
            if telling % 2 == 1 {
                tellers.push(Teller { shelf, telling });
            }
        }
        // What threads took out of their rings meanwhile.
        records.extend(self.take_backlog());
        started += self.started.swap(0, Ordering::Relaxed);
        Gathered { started, tellers }
    }

    fn take_backlog(&self) -> Vec<Sealed<T>> {
        std::mem::take(&mut lock(&self.backlog).records)
    }

    /// Records that were gathered, and are left for the next collection, before what has come since.
    pub(super) fn put_back(&self, records: impl Iterator<Item = Sealed<T>>) {
        lock(&self.backlog).records.splice(0..0, records);
    }

    /// Nobody will collect any more: what comes from now on is lost, and what waits is returned.
    pub(super) fn end(&self) -> Vec<Sealed<T>> {
        let mut backlog = lock(&self.backlog);
        self.is_over.store(true, Ordering::Relaxed);
        std::mem::take(&mut backlog.records)
    }
}

impl<T: Send> Shelf<T> {
    /// A sampled span of this thread starts.
    #[inline(always)]
    pub(super) fn count_started(&self) {
        // The thread's own: no read-modify-write is needed.
        let started = self.started.load(Ordering::Relaxed);
        self.started.store(started + 1, Ordering::Relaxed);
    }

    /// Spans that have started since this was asked last.
    fn newly_started(&self, shelved: &mut Shelved<T>) -> u64 {
        let started = self.started.load(Ordering::Relaxed);
        started - std::mem::replace(&mut shelved.reported, started)
    }
}

impl<T: Send> Shelved<T> {
    /// What is in the ring, oldest first.
    fn take_all(&mut self) -> Vec<Sealed<T>> {
        let mut records = Vec::with_capacity(self.consumer.len());
        self.consumer.drain(|record| records.push(record));
        records
    }
}

impl<T: Send> Telling<T> {
    fn of(shelf: &Arc<Shelf<T>>) -> Self {
        let telling = shelf.telling.load(Ordering::Relaxed);
        shelf.telling.store(telling + 1, Ordering::Relaxed);
        Self(Arc::clone(shelf))
    }
}

impl<T: Send> Drop for Telling<T> {
    fn drop(&mut self) {
        let telling = self.0.telling.load(Ordering::Relaxed);
        // Release: who sees it sees what the sink was told.
        self.0.telling.store(telling + 1, Ordering::Release);
    }
}

impl<T: Send> Teller<T> {
    /// Whether the sink has been told since.
    pub(super) fn is_done(&self) -> bool {
        self.shelf.telling.load(Ordering::Acquire) != self.telling
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, otel_enhance_loom))]
mod model;
