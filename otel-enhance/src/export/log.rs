//! The log channel: where telemetry says that telemetry is in trouble.

use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;

/// What a [`Report`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportKind {
    /// Something in the environment is not as it should be; a default holds.
    Diagnostic,
    /// Spans are being lost. Said once, when it begins.
    Outage,
    /// An outage is over.
    Recovered,
    /// Worth knowing, nothing is lost.
    Notice,
}

/// One message of the log channel.
///
/// It goes to stderr as `otel-enhance: …`, or to the handler that was set instead.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// What it is about.
    pub kind: ReportKind,
    /// The text, one line without the prefix.
    pub message: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Takes the log channel's messages instead of stderr. It is called on export threads, must not
/// block for long, and may panic (the message is lost then, nothing else).
pub type ErrorHandler = Arc<dyn Fn(&Report) + Send + Sync>;

/// Messages that may come at once, and the time in which one more is earned.
const BURST: f64 = 20.0;
const EARN_ONE: Duration = Duration::from_secs(5);

/// The channel itself. Clones share the rate limit.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    handler: Option<ErrorHandler>,
    rate: Mutex<Rate>,
}

struct Rate {
    allowance: f64,
    since: Instant,
    suppressed: u64,
}

impl Log {
    /// To `handler`, or to stderr if there is none.
    pub(crate) fn with_handler(handler: Option<ErrorHandler>) -> Self {
        Self {
            shared: Arc::new(Shared {
                handler,
                rate: Mutex::new(Rate {
                    allowance: BURST,
                    since: Instant::now(),
                    suppressed: 0,
                }),
            }),
        }
    }

    /// Says it, unless too much was said lately; how much was left out is said with the next one.
    pub(crate) fn report(&self, kind: ReportKind, message: impl Into<String>) {
        let Some(left_out) = self.admit() else {
            return;
        };
        let mut message = message.into();
        if left_out > 0 {
            message.push_str(&format!(" ({left_out} messages before this one left out)"));
        }
        let report = Report { kind, message };
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        match &self.shared.handler {
            Some(handler) => {
                // A handler that panics must not take the batch thread with it.
                let _ = catch_unwind(AssertUnwindSafe(|| handler(&report)));
            }
            // `eprintln!` panics on a closed stderr.
            None => {
                writeln!(std::io::stderr().lock(), "otel-enhance: {report}").ok();
            }
        }
    }

    /// The number of messages left out so far, or `None` to leave this one out too.
    fn admit(&self) -> Option<u64> {
        let mut rate = lock(&self.shared.rate);
        let now = Instant::now();
        let earned = now.duration_since(rate.since).as_secs_f64() / EARN_ONE.as_secs_f64();
        rate.allowance = (rate.allowance + earned).min(BURST);
        rate.since = now;
        if rate.allowance < 1.0 {
            rate.suppressed += 1;
            return None;
        }
        rate.allowance -= 1.0;
        Some(std::mem::take(&mut rate.suppressed))
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Says once when something begins to fail and once when it works again.
#[derive(Debug)]
pub(crate) struct Outage {
    /// `exports to http://…`, the subject of both sentences.
    subject: String,
    failing: AtomicBool,
}

impl Outage {
    pub(crate) fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            failing: AtomicBool::new(false),
        }
    }

    /// It failed; `dropped` spans are lost so far for any reason.
    pub(crate) fn failed(&self, log: &Log, detail: &str, dropped: u64) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            log.report(
                ReportKind::Outage,
                format!("{} fail: {detail}{}", self.subject, Dropped(dropped)),
            );
        }
    }

    /// It worked; `dropped` as in [`Outage::failed`].
    pub(crate) fn worked(&self, log: &Log, dropped: u64) {
        // Read first: this runs for every export, and nearly always finds `false`.
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            log.report(
                ReportKind::Recovered,
                format!("{} work again{}", self.subject, Dropped(dropped)),
            );
        }
    }
}

/// The number of lost spans, where it is known that there are any.
struct Dropped(u64);

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str("; 1 span dropped so far"),
            spans => write!(f, "; {spans} spans dropped so far"),
        }
    }
}

/// No state behind our locks is left half-written by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A log that keeps what was said.
    pub(crate) fn recording() -> (Log, Arc<Mutex<Vec<Report>>>) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&said);
        let log = Log::with_handler(Some(Arc::new(move |report: &Report| {
            lock(&kept).push(report.clone());
        })));
        (log, said)
    }

    #[test]
    fn outage_failing_many_times_speaks_once_and_once_when_over() {
        let (log, said) = recording();
        let outage = Outage::new("exports to nowhere");
        for dropped in 1..100 {
            outage.failed(&log, "connection refused", dropped);
        }
        outage.worked(&log, 99);
        outage.worked(&log, 99);
        let said: Vec<_> = lock(&said).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "exports to nowhere fail: connection refused; 1 span dropped so far",
                "exports to nowhere work again; 99 spans dropped so far"
            ]
        );
    }

    #[test]
    fn log_given_a_flood_lets_a_burst_through() {
        let (log, said) = recording();
        for _ in 0..1000 {
            log.report(ReportKind::Notice, "again");
        }
        let passed = lock(&said).len();
        assert!((20..=22).contains(&passed), "{passed} messages passed");
    }

    #[test]
    fn handler_that_panics_does_not_unwind_into_the_caller() {
        let log = Log::with_handler(Some(Arc::new(|_: &Report| panic!("handler"))));
        log.report(ReportKind::Notice, "first");
        log.report(ReportKind::Notice, "second");
    }
}
