//! How long exports take, for whoever likes to know.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::DropReason;
use super::log::lock;

/// Is told of each export that has ended: how long it took, and what it failed for.
type Listener = Arc<dyn Fn(Duration, Option<DropReason>) + Send + Sync>;

/// Exports that have ended, retries and pauses between them included.
#[derive(Default)]
pub(crate) struct Operations {
    ended: AtomicU64,
    failed: AtomicU64,
    nanos: AtomicU64,
    longest_nanos: AtomicU64,
    listeners: Mutex<Vec<Listener>>,
}

impl Operations {
    pub(crate) fn ended(&self, took: Duration, failure: Option<DropReason>) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.longest_nanos.fetch_max(nanos, Ordering::Relaxed);
        if failure.is_some() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
        // Called without the lock: they are the application's instruments.
        let listeners = lock(&self.listeners).clone();
        for listener in listeners {
            listener(took, failure);
        }
    }

    pub(crate) fn listen(
        &self,
        listener: impl Fn(Duration, Option<DropReason>) + Send + Sync + 'static,
    ) {
        lock(&self.listeners).push(Arc::new(listener));
    }

    pub(crate) fn times(&self) -> ExportTimes {
        ExportTimes {
            exports: self.ended.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            total: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
            longest: Duration::from_nanos(self.longest_nanos.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.times().fmt(f)
    }
}

/// How long exports took, each with its retries and the pauses between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportTimes {
    /// Exports that have ended.
    pub exports: u64,
    /// Of these, those of which not every span was accepted.
    pub failed: u64,
    /// All of them together; as several run at once, that may be longer than the pipeline lives.
    pub total: Duration,
    /// The longest one.
    pub longest: Duration,
}
