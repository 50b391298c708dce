//! From ended spans to series: columns that threads fill, and a thread that counts them.
//!
//! Whoever ends a span puts name, kind, status and duration into one of a few columns, under a lock that it
//! shares with few other threads and, now and then, with the one that takes the column away. That one gives
//! all durations of a column to the kernel at once. A thread that finds its column full counts instead of
//! losing anything, so memory has a bound.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, SystemTime};
use std::{io, mem, thread};

use opentelemetry::metrics::Histogram;
use opentelemetry::trace::SpanKind;
use otel_enhance_kernels::histogram::{MAX_SCALE, append_indexes};

use super::table::{Manner, RedStatus, Series, Table};
use crate::lifecycle::generation;

/// Spans in one column.
const COLUMN: usize = 4096;
/// Columns at most.
const COLUMNS: usize = 16;
/// The thread looks this often while spans end.
const TICK: Duration = Duration::from_millis(100);
/// And this often while none does.
const IDLE: Duration = Duration::from_secs(1);

/// What counts of one span.
#[derive(Clone, Debug)]
pub(super) struct Call {
    name: Cow<'static, str>,
    manner: Manner,
    nanos: u64,
}

/// A column on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Column(Mutex<Vec<Call>>);

/// Counts the spans of one pipeline.
pub(crate) struct Aggregator {
    generation: u32,
    columns: Box<[Column]>,
    state: Mutex<State>,
    counter: OnceLock<Thread>,
    is_closed: AtomicBool,
}

/// What is behind the one lock that callers do not take.
#[derive(Debug)]
struct State {
    table: Table,
    forwards: Vec<Histogram<f64>>,
    // Used again and again.
    calls: Vec<Call>,
    series: Vec<u32>,
    seconds: Vec<f64>,
    finest: Vec<i32>,
}

impl Aggregator {
    pub(crate) fn new(service: String, max_series: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self {
            generation: generation(),
            columns: (0..threads.next_power_of_two().min(COLUMNS))
                .map(|_| Column(Mutex::default()))
                .collect(),
            state: Mutex::new(State {
                table: Table::new(service, max_series),
                forwards: Vec::new(),
                calls: Vec::new(),
                series: Vec::new(),
                seconds: Vec::new(),
                finest: Vec::new(),
            }),
            counter: OnceLock::new(),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Starts the thread that counts. It ends with the last handle, or when the aggregator is closed.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        let aggregator = Arc::downgrade(self);
        let count = move || {
            // What the application's instruments do here is not traced.
            let _quiet = opentelemetry::Context::enter_telemetry_suppressed_scope();
            let mut wait = TICK;
            loop {
                thread::park_timeout(wait);
                let Some(aggregator) = aggregator.upgrade() else {
                    return;
                };
                wait = if aggregator.settle() == 0 { IDLE } else { TICK };
                if aggregator.is_closed.load(Ordering::Acquire) {
                    return;
                }
            }
        };
        let spawned = thread::Builder::new()
            .name("otel-enhance-red".to_owned())
            .spawn(count)?;
        let _ = self.counter.set(spawned.thread().clone());
        Ok(())
    }

    /// The pipeline is at its end: the thread goes away, what has been counted stays readable.
    pub(crate) fn close(&self) {
        if !self.is_foreign() {
            self.is_closed.store(true, Ordering::Release);
            self.wake();
        }
    }

    /// This is a forked child, whose locks are copies and may be held by nobody.
    fn is_foreign(&self) -> bool {
        self.generation != generation()
    }

    fn wake(&self) {
        if let Some(counter) = self.counter.get() {
            counter.unpark();
        }
    }

    /// A span has ended.
    pub(crate) fn count(
        &self,
        name: Cow<'static, str>,
        kind: &SpanKind,
        status: RedStatus,
        nanos: u64,
    ) {
        if self.is_foreign() {
            return;
        }
        let column = &self.columns[this_thread() % self.columns.len()];
        let call = Call {
            name,
            manner: Manner::new(kind, status),
            nanos,
        };
        loop {
            let mut calls = lock(&column.0);
            let waiting = calls.len();
            if waiting < COLUMN {
                calls.push(call);
                drop(calls);
                if waiting == COLUMN / 2 {
                    self.wake();
                }
                return;
            }
            drop(calls);
            self.settle();
        }
    }

    /// Counts what is in the columns, and says how many spans that were.
    pub(super) fn settle(&self) -> usize {
        if self.is_foreign() {
            return 0;
        }
        let mut state = lock(&self.state);
        self.columns
            .iter()
            .map(|column| {
                mem::swap(&mut state.calls, &mut *lock(&column.0));
                state.count()
            })
            .sum()
    }

    /// The series as they are now, the columns included.
    pub(super) fn read<R>(&self, read: impl FnOnce(&mut dyn Iterator<Item = &Series>) -> R) -> R {
        if self.is_foreign() {
            return read(&mut std::iter::empty());
        }
        self.settle();
        read(&mut lock(&self.state).table.used())
    }

    /// From now on each duration is recorded by `histogram`, too.
    pub(super) fn forward_to(&self, histogram: Histogram<f64>) {
        if self.is_foreign() {
            return;
        }
        // What has ended before is not its business.
        self.settle();
        lock(&self.state).forwards.push(histogram);
    }
}

impl State {
    /// Counts what is in `calls`.
    fn count(&mut self) -> usize {
        for call in &self.calls {
            self.series.push(self.table.find(&call.name, call.manner));
            #[expect(
                clippy::cast_precision_loss,
                reason = "durations below 104 days are exact"
            )]
            self.seconds.push(call.nanos as f64 / 1e9);
        }
        append_indexes(&self.seconds, MAX_SCALE, &mut self.finest);
        let spans = self.series.iter().zip(&self.seconds).zip(&self.finest);
        for (((series, seconds), finest), call) in spans.zip(&self.calls) {
            let series = self.table.at(*series);
            series.errors += u64::from(call.manner.is_error());
            series.durations.record(*seconds, *finest);
            for histogram in &self.forwards {
                histogram.record(*seconds, &series.attributes);
            }
        }
        let counted = self.calls.len();
        self.calls.clear();
        self.series.clear();
        self.seconds.clear();
        self.finest.clear();
        counted
    }
}

impl fmt::Debug for Aggregator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregator").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number for each thread, one after the other.
fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let number = NUMBER.try_with(|number| match number.get() {
        Some(known) => known,
        None => {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        }
    });
    number.unwrap_or(0)
}

/// Between two times, in nanoseconds; zero if the end comes first.
pub(crate) fn nanos_between(start: SystemTime, end: SystemTime) -> u64 {
    let elapsed = end.duration_since(start).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
