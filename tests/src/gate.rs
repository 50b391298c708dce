//! A receiver's hook that holds requests back until it is told, and knows how many came at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use otel_enhance_receiver::{BoxFuture, Hook, RequestHead, Verdict};
use tokio::sync::watch;

/// Requests wait while it is shut. A clone is the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    shut: Arc<watch::Sender<bool>>,
    latency: Duration,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    seen: Arc<AtomicUsize>,
}

impl Gate {
    /// An open one, where each request takes `latency`.
    pub fn open_with_latency(latency: Duration) -> Self {
        Self {
            shut: Arc::new(watch::Sender::new(false)),
            latency,
            inside: Arc::default(),
            most: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// A shut one.
    pub fn shut() -> Self {
        let gate = Self::open_with_latency(Duration::ZERO);
        gate.shut.send_replace(true);
        gate
    }

    /// Lets all requests through, those that wait and those to come.
    pub fn open(&self) {
        self.shut.send_replace(false);
    }

    /// The most requests that were here at the same time.
    pub fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Requests that are here now.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// Requests that came so far.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// Counts a request out, even if its sender hangs up.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Hook for Gate {
    fn inspect<'a>(&'a self, _: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            self.seen.fetch_add(1, Ordering::SeqCst);
            let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            let _inside = Inside(&self.inside);
            self.most.fetch_max(inside, Ordering::SeqCst);
            let mut shut = self.shut.subscribe();
            // The sender lives in `self`.
            let _ = shut.wait_for(|shut| !shut).await;
            tokio::time::sleep(self.latency).await;
            Verdict::Continue
        })
    }
}
