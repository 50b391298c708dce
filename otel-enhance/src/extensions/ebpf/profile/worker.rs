//! The thread that empties the ring: unwinds each stack and adds it up.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use otel_enhance_ebpf::abi::{Sample, flag};
use otel_enhance_ebpf::loader::Samples;

use super::super::names::{self, Name};
use super::aggregate::{Aggregate, Ids, Limits, Row, Weight};
use super::snapshot::{Mapping, Profile, ProfileAccount, Tables};
use super::symbols::Symbols;
use super::unwind::Unwinder;

/// The ring is emptied so often, or when it is half full.
const INTERVAL: Duration = Duration::from_millis(100);
/// Samples that are unwound each time; more are counted and put aside, for the host has better to do.
const MAX_AT_ONCE: usize = 4_096;
/// How long a look at a profile waits for what is still in the ring.
const PATIENCE: Duration = Duration::from_millis(500);

/// Samples of this process as they are taken, added up since it was started.
pub(crate) struct Profiler {
    state: Arc<State>,
    kick: UnixStream,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    collected: Mutex<Collected>,
    symbols: Mutex<Symbols>,
    /// How often the ring was emptied, and whether somebody waits for it.
    rounds: Mutex<u64>,
    emptied: Condvar,
    stop: AtomicBool,
    process: u32,
    started: (SystemTime, Instant),
    period_ns: u64,
}

struct Collected {
    aggregate: Aggregate,
    modules: Arc<[Mapping]>,
    /// Without what the aggregate counts itself.
    account: ProfileAccount,
    /// Until when [`Profiler::news`] has told all.
    told: Instant,
}

impl Collected {
    fn tables(&self) -> Tables {
        Tables {
            stacks: self.aggregate.stacks.clone(),
            spans: self.aggregate.spans.clone(),
            names: self.aggregate.names.clone(),
            threads: self.aggregate.threads.clone(),
            mappings: self.modules.clone(),
            frames: HashMap::new(),
        }
    }

    fn account(&self) -> ProfileAccount {
        let bounds = self.aggregate.bounds;
        ProfileAccount {
            other_stacks: bounds.stacks,
            spans_without_ids: bounds.spans,
            without_thread: bounds.threads,
            ..self.account
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Profiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiler")
            .field("account", &self.account())
            .finish_non_exhaustive()
    }
}

impl Profiler {
    /// Starts the thread that empties the ring of samples, which are taken `sample_hz` times a second.
    ///
    /// # Errors
    ///
    /// Where the system gives neither a pair of sockets nor a thread.
    pub(crate) fn start(samples: Samples, sample_hz: u32, limits: Limits) -> std::io::Result<Self> {
        let (woken, kick) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        kick.set_nonblocking(true)?;
        let now = Instant::now();
        let state = Arc::new(State {
            collected: Mutex::new(Collected {
                aggregate: Aggregate::new(limits),
                modules: Arc::from([]),
                account: ProfileAccount::default(),
                told: now,
            }),
            symbols: Mutex::default(),
            rounds: Mutex::new(0),
            emptied: Condvar::new(),
            stop: AtomicBool::new(false),
            process: std::process::id(),
            started: (SystemTime::now(), now),
            period_ns: 1_000_000_000 / u64::from(sample_hz.max(1)),
        });
        names::want(true);
        let shared = state.clone();
        let thread = std::thread::Builder::new()
            .name("otel-profile".to_owned())
            .spawn(move || shared.work(samples, woken))?;
        Ok(Self {
            state,
            kick,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Everything since the start; `None` in a forked child.
    pub(crate) fn profile(&self) -> Option<Profile> {
        self.catch_up()?;
        let collected = lock(&self.state.collected);
        let rows = collected.aggregate.totals();
        let (wall, start) = self.state.started;
        let (tables, account) = (collected.tables(), collected.account());
        drop(collected);
        Some(self.resolved(rows, tables, account, wall, start.elapsed()))
    }

    /// What came since this was called last; `None` in a forked child.
    pub(crate) fn news(&self) -> Option<Profile> {
        self.catch_up()?;
        let mut collected = lock(&self.state.collected);
        let rows = collected.aggregate.news();
        let since = std::mem::replace(&mut collected.told, Instant::now());
        let (wall, start) = self.state.started;
        let (tables, account) = (collected.tables(), collected.account());
        drop(collected);
        let wall = wall + since.duration_since(start);
        Some(self.resolved(rows, tables, account, wall, since.elapsed()))
    }

    /// What became of samples so far.
    pub(crate) fn account(&self) -> ProfileAccount {
        lock(&self.state.collected).account()
    }

    /// Reads what is in the ring and ends the thread.
    pub(crate) fn stop(&self) {
        if self.state.process != std::process::id() {
            return;
        }
        self.state.stop.store(true, Relaxed);
        self.wake();
        if let Some(thread) = lock(&self.thread).take() {
            // What it panicked with, it printed.
            let _ = thread.join();
        }
    }

    fn wake(&self) {
        // A socket that is full wakes its reader all the same.
        let _ = (&self.kick).write(&[1]);
    }

    /// Waits until what is in the ring now has been read.
    fn catch_up(&self) -> Option<()> {
        if self.state.process != std::process::id() {
            return None;
        }
        if self.state.stop.load(Relaxed) {
            return Some(());
        }
        let rounds = lock(&self.state.rounds);
        // One may be under way, which is past some of it.
        let wanted = *rounds + 2;
        let end = Instant::now() + PATIENCE;
        let mut rounds = rounds;
        while *rounds < wanted && Instant::now() < end && !self.state.stop.load(Relaxed) {
            self.wake();
            let left = end.saturating_duration_since(Instant::now());
            rounds = self
                .state
                .emptied
                .wait_timeout(rounds, left.min(INTERVAL))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Some(())
    }

    fn resolved(
        &self,
        rows: Vec<(Row, Weight)>,
        mut tables: Tables,
        account: ProfileAccount,
        started: SystemTime,
        duration: Duration,
    ) -> Profile {
        let addresses: HashSet<u64> = rows
            .iter()
            .filter_map(|(row, _)| tables.stacks.get((row.stack as usize).checked_sub(1)?))
            .flat_map(|stack| stack.iter().copied())
            .collect();
        tables.frames = lock(&self.state.symbols).resolve(&addresses);
        let period_ns = self.state.period_ns;
        Profile::new(rows, tables, started, duration, period_ns, account)
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    fn work(&self, mut samples: Samples, woken: UnixStream) {
        let mut unwinder = Unwinder::new();
        let (mut frames, mut ended) = (Vec::new(), Vec::new());
        loop {
            // Before the ring is emptied for the last time, not after.
            let last = self.stop.load(Relaxed);
            if let Some(modules) = unwinder.refresh() {
                lock(&self.collected).modules = modules.iter().map(Mapping::from).collect();
            }
            self.empty(&mut samples, &mut unwinder, &mut frames, &mut ended);
            *lock(&self.rounds) += 1;
            self.emptied.notify_all();
            if last {
                names::want(false);
                return;
            }
            if samples.wait_or(woken.as_fd(), INTERVAL) {
                // What woke us is read, so that it does not again.
                let _ = (&woken).read(&mut [0; 64]);
            }
        }
    }

    fn empty(
        &self,
        samples: &mut Samples,
        unwinder: &mut Unwinder,
        frames: &mut Vec<u64>,
        ended: &mut Vec<Name>,
    ) {
        // Before their samples are read: those of a span that has ended are in the ring.
        *ended = names::take(std::mem::take(ended));
        let mut taken = 0;
        let mut threads = Vec::new();
        samples.drain(|sample, stack| {
            taken += 1;
            if taken > MAX_AT_ONCE {
                lock(&self.collected).account.skipped += 1;
                return;
            }
            let complete = unwinder.unwind(sample, stack, frames);
            self.add(sample, frames, complete, &mut threads);
        });
        for sample in &threads {
            let own = samples.thread(sample);
            let name = own.map(thread_name).unwrap_or_default();
            lock(&self.collected)
                .aggregate
                .describe_thread(sample.tid, own, &name);
        }
        let mut collected = lock(&self.collected);
        collected.account.lost = samples.lost();
        collected.account.sleeps_unwatched = samples.sleeps_unwatched();
        for (span, name) in ended.iter() {
            collected.aggregate.name(*span, name);
        }
    }

    fn add(&self, sample: &Sample, frames: &[u64], complete: bool, threads: &mut Vec<Sample>) {
        let ids = (sample.flags & flag::SPAN != 0).then_some(Ids {
            trace: sample.trace_id,
            span: sample.span_id,
        });
        let weight = if sample.flags & flag::OFF_CPU == 0 {
            Weight::TICK
        } else {
            Weight::sleep(sample.blocked_ns)
        };
        let Collected {
            aggregate, account, ..
        } = &mut *lock(&self.collected);
        account.read += 1;
        account.cut_off += u64::from(!complete);
        if aggregate.add(ids, sample.tid, frames, weight) {
            threads.push(*sample);
        }
    }
}

/// What a thread is called; nothing if it is gone.
fn thread_name(thread: u32) -> String {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/comm"))
        .map(|name| name.trim_end().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "tests/worker.rs"]
mod tests;
