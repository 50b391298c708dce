//! The count of spans on their way, so that every one that ends is exported or dropped for a reason.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::export::report::Delivery;
use crate::export::{DeliveryReport, DropReason};
use crate::lifecycle::generation;

/// The processor's half of the books. The exporter keeps the other half, [`Delivery`].
///
/// A span costs one addition when it starts and one when it ends; everything else is derived.
#[derive(Debug)]
pub(crate) struct Account {
    delivery: Arc<Delivery>,
    /// The process that the queue belongs to.
    generation: u32,
    max_queue_size: u64,
    /// Sampled spans that started.
    started: AtomicU64,
    /// Sampled spans that were let into the queue.
    accepted: AtomicU64,
    /// Spans that have left the queue for the exporter.
    received: AtomicU64,
    /// Spans whose export is over, whatever came of it.
    completed: AtomicU64,
    queue_full: AtomicU64,
    after_shutdown: AtomicU64,
    forked: Forked,
    closed: AtomicBool,
    /// Set once, when the queue is gone: what the exporter had counted, and the reason for the rest.
    settled: Mutex<Option<Settled>>,
    is_settled: AtomicBool,
    progress: Condvar,
}

#[derive(Debug)]
struct Settled {
    exporter: DeliveryReport,
    reason: DropReason,
}

/// Spans that ended in a forked child; a grandchild counts anew.
#[derive(Debug, Default)]
struct Forked {
    generation: AtomicU32,
    spans: AtomicU64,
}

impl Account {
    pub(crate) fn new(delivery: Arc<Delivery>, max_queue_size: usize) -> Self {
        Self {
            delivery,
            generation: generation(),
            max_queue_size: max_queue_size as u64,
            started: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            received: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            queue_full: AtomicU64::new(0),
            after_shutdown: AtomicU64::new(0),
            forked: Forked::default(),
            closed: AtomicBool::new(false),
            settled: Mutex::new(None),
            is_settled: AtomicBool::new(false),
            progress: Condvar::new(),
        }
    }

    /// The queue and its thread are in another process: this one is a forked child.
    pub(crate) fn is_foreign(&self) -> bool {
        self.generation != generation()
    }

    pub(crate) fn span_started(&self) {
        if !self.is_foreign() {
            self.started.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many of them, on the fast path.
    #[cfg(feature = "performance")]
    pub(super) fn spans_started(&self, spans: u64) {
        self.started.fetch_add(spans, Ordering::Relaxed);
    }

    /// A sampled span ended: may it enter the queue? If not, it is counted as dropped.
    pub(crate) fn admit(&self) -> bool {
        if self.is_foreign() {
            self.forked.count();
            return false;
        }
        // Counted first: whoever closes the queue either finds the span counted, or is seen here.
        let before = self.accepted.fetch_add(1, Ordering::SeqCst);
        let refusal = if self.closed.load(Ordering::SeqCst) {
            &self.after_shutdown
        } else if before.saturating_sub(self.received.load(Ordering::Acquire))
            >= self.max_queue_size
        {
            &self.queue_full
        } else {
            return true;
        };
        refusal.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_sub(1, Ordering::SeqCst);
        false
    }

    /// The same for so many at once; says how many of them may.
    #[cfg(feature = "performance")]
    pub(crate) fn admit_several(&self, spans: u64) -> u64 {
        if self.is_foreign() {
            (0..spans).for_each(|_| self.forked.count());
            return 0;
        }
        // As above.
        let before = self.accepted.fetch_add(spans, Ordering::SeqCst);
        let (admitted, refusal) = if self.closed.load(Ordering::SeqCst) {
            (0, &self.after_shutdown)
        } else {
            let waiting = before.saturating_sub(self.received.load(Ordering::Acquire));
            let room = self.max_queue_size.saturating_sub(waiting);
            (room.min(spans), &self.queue_full)
        };
        let refused = spans - admitted;
        if refused > 0 {
            refusal.fetch_add(refused, Ordering::Relaxed);
            self.accepted.fetch_sub(refused, Ordering::SeqCst);
        }
        admitted
    }

    /// The exporter got `spans` of the queue.
    pub(super) fn batch_received(&self, spans: usize) {
        self.received.fetch_add(spans as u64, Ordering::AcqRel);
    }

    /// The exporter is done with `spans` of them.
    pub(super) fn batch_completed(&self, spans: usize) {
        let _settled = self.lock();
        self.completed.fetch_add(spans as u64, Ordering::AcqRel);
        self.progress.notify_all();
    }

    /// Wakes whoever waits in [`Account::wait_for_progress`].
    pub(super) fn notify(&self) {
        let _settled = self.lock();
        self.progress.notify_all();
    }

    /// How many spans must be [completed](Account::has_completed) for a flush that begins now.
    pub(super) fn flush_target(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn has_completed(&self, target: u64) -> bool {
        // A span that was refused had been counted for an instant: the target may be too high.
        let target = target.min(self.accepted.load(Ordering::SeqCst));
        self.completed.load(Ordering::Acquire) >= target
    }

    /// Waits until `done`, or until `deadline`; says which.
    pub(crate) fn wait_until(&self, deadline: Instant, mut done: impl FnMut() -> bool) -> bool {
        let mut settled = self.lock();
        loop {
            if done() {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            settled = self
                .progress
                .wait_timeout(settled, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// From now on no span enters the queue.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// The queue is gone. What the exporter has not counted by now counts for `reason`, even if an
    /// export that nobody waits for any more should succeed later.
    pub(crate) fn settle(&self, reason: DropReason) {
        let mut settled = self.lock();
        settled.get_or_insert_with(|| Settled {
            exporter: self.delivery.report(),
            reason,
        });
        self.is_settled.store(true, Ordering::Release);
        self.progress.notify_all();
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Acquire)
    }

    /// Sampled spans that have started and not ended.
    pub(crate) fn unfinished(&self) -> u64 {
        let ended = self.accepted.load(Ordering::SeqCst)
            + self.queue_full.load(Ordering::Relaxed)
            + self.after_shutdown.load(Ordering::Relaxed);
        self.started.load(Ordering::Relaxed).saturating_sub(ended)
    }

    #[cfg(feature = "performance")]
    pub(crate) fn operations(&self) -> &crate::export::operations::Operations {
        &self.delivery.operations
    }

    pub(crate) fn report(&self) -> DeliveryReport {
        if self.is_foreign() {
            let mut report = Delivery::default().report();
            report.add_dropped(DropReason::Forked, self.forked.spans());
            report.ended = report.dropped_total();
            return report;
        }
        let settled = self.lock();
        let accepted = self.accepted.load(Ordering::SeqCst);
        let after_shutdown = self.after_shutdown.load(Ordering::Relaxed);
        let queue_full = self.queue_full.load(Ordering::Relaxed);
        let unfinished = self.unfinished();
        let mut report = match &*settled {
            None => {
                let mut report = self.delivery.report();
                report.unfinished = unfinished;
                report.ended = accepted + queue_full + after_shutdown;
                report.add_dropped(DropReason::AfterShutdown, after_shutdown);
                report
            }
            Some(Settled { exporter, reason }) => {
                let mut report = exporter.clone();
                let counted = report.exported + report.dropped_total();
                report.add_dropped(*reason, accepted.saturating_sub(counted));
                // The SDK tells nobody of spans that end after shutdown: those that were open then
                // are lost, whether they have ended by now or not.
                report.add_dropped(DropReason::AfterShutdown, after_shutdown + unfinished);
                report.ended = accepted + queue_full + after_shutdown + unfinished;
                report
            }
        };
        report.add_dropped(DropReason::QueueFull, queue_full);
        report
    }

    fn lock(&self) -> MutexGuard<'_, Option<Settled>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forked {
    fn count(&self) {
        let now = generation();
        if self.generation.swap(now, Ordering::Relaxed) != now {
            self.spans.store(0, Ordering::Relaxed);
        }
        self.spans.fetch_add(1, Ordering::Relaxed);
    }

    fn spans(&self) -> u64 {
        if self.generation.load(Ordering::Relaxed) == generation() {
            self.spans.load(Ordering::Relaxed)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(max_queue_size: usize) -> (Account, Arc<Delivery>) {
        let delivery = Arc::new(Delivery::default());
        (
            Account::new(Arc::clone(&delivery), max_queue_size),
            delivery,
        )
    }

    #[test]
    fn queue_at_its_bound_refuses_and_counts_until_the_exporter_takes_a_batch() {
        let (account, _) = account(2);
        assert!(account.admit() && account.admit());
        assert!(!account.admit());
        account.batch_received(2);
        assert!(account.admit());
        assert_eq!(account.report().dropped(DropReason::QueueFull), 1);
        assert_eq!(account.report().ended, 4);
    }

    #[cfg(feature = "performance")]
    #[test]
    fn queue_with_room_for_some_admits_so_many_and_counts_the_rest() {
        let (account, _) = account(5);
        assert_eq!(account.admit_several(3), 3);
        assert_eq!(account.admit_several(4), 2);
        assert_eq!(account.report().dropped(DropReason::QueueFull), 2);
        account.batch_received(5);
        assert_eq!(account.admit_several(1), 1);
        account.close();
        assert_eq!(account.admit_several(3), 0);
        let report = account.report();
        assert_eq!(report.dropped(DropReason::AfterShutdown), 3);
        assert_eq!(report.ended, 6 + 2 + 3);
    }

    #[test]
    fn settled_account_counts_the_rest_once_even_if_a_late_export_succeeds() {
        let (account, delivery) = account(10);
        for _ in 0..5 {
            account.span_started();
            assert!(account.admit());
        }
        account.batch_received(2);
        delivery.exported(2);
        account.batch_completed(2);
        account.close();
        account.settle(DropReason::ShutdownDeadline);
        delivery.exported(3);
        let report = account.report();
        assert_eq!((report.ended, report.exported), (5, 2));
        assert_eq!(report.dropped(DropReason::ShutdownDeadline), 3);
    }

    #[test]
    fn spans_open_at_shutdown_are_counted_as_ended_after_it() {
        let (account, _) = account(10);
        account.span_started();
        account.span_started();
        assert_eq!(account.report().unfinished, 2);
        account.close();
        account.settle(DropReason::AfterShutdown);
        assert!(!account.admit());
        let report = account.report();
        assert_eq!((report.ended, report.unfinished), (2, 0));
        assert_eq!(report.dropped(DropReason::AfterShutdown), 2);
    }
}
