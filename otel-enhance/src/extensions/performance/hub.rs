//! Where the spans of one provider come together, whichever thread ends them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(unix)]
use std::sync::RwLockWriteGuard;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, TryLockError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceContextExt as _, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, ShouldSample, SpanLimits};

use super::contents::{Contents, Rules, UNKNOWN};
use super::ended::{Ended, EndedSpans};
use super::record::{Owned, Sealed};
use super::shelves::{Gathered, Left, Shelves, Teller};
use super::{desk, ids, pool, quick};
use crate::config::UnsampledId;
#[cfg(feature = "tracezip")]
use crate::extensions::tracezip::TracezipIdGenerator;
use crate::lifecycle::generation;

/// What becomes of spans that have ended.
pub(crate) trait SpanSink: Send + Sync + fmt::Debug {
    /// So many more sampled spans have started.
    fn started(&self, spans: u64);
    /// A span has ended.
    fn ended(&self, span: Ended);
    /// Spans have ended.
    fn all_ended(&self, spans: &mut dyn Iterator<Item = Ended>) {
        for span in spans {
            self.ended(span);
        }
    }
    /// The same, where [notes](Handling::PassesOn) are read.
    fn pass_on(&self, spans: &mut EndedSpans<'_>) {
        self.all_ended(spans);
    }
    /// A span has ended in a forked child of the process that started it.
    fn forked(&self);
    /// What becomes of them here.
    fn handling(&self) -> Handling {
        Handling::Takes
    }
}

/// What becomes of records that a sink is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// `SpanData`, at once.
    Takes,
    /// OTLP, at once, and no `SpanData`, whose texts are best moved into it.
    Writes,
    /// They wait as they are. Nobody looks at one whose [note](super::contents::Contents::note) says enough.
    PassesOn,
}

/// How spans of a provider are made, and where they go.
#[derive(Debug)]
pub(crate) struct HubConfig {
    pub(crate) sampling: Sampling,
    /// `None`: random ids.
    pub(crate) ids: Option<Box<dyn IdGenerator>>,
    /// Ids that receivers of tracezip count, which are made where random ones would be.
    #[cfg(feature = "tracezip")]
    pub(crate) counted: Option<TracezipIdGenerator>,
    pub(crate) limits: SpanLimits,
    pub(crate) sink: Box<dyn SpanSink>,
    /// `None`: the sink is told of each span by the thread that ends it.
    pub(crate) batches: Option<Batches>,
    /// Whether the sink is told of spans that are recorded and not sampled.
    pub(crate) tells_unsampled: bool,
    /// Whether it is told of those that the sampler drops, too, which are recorded then as far as they
    /// count.
    pub(crate) counts_dropped: bool,
    /// The id of a span that does not record.
    pub(crate) unsampled: UnsampledId,
}

/// Which spans are recorded.
#[derive(Debug)]
pub(crate) enum Sampling {
    /// As the parent, and every root or none: `Sampler::ParentBased(AlwaysOn)`, or `AlwaysOff`.
    AsParent { roots: bool },
    /// Every span, or none: `Sampler::AlwaysOn`, or `AlwaysOff`.
    Always(bool),
    /// What the sampler says.
    Asked(Box<dyn ShouldSample>),
}

impl Sampling {
    /// What the official samplers say, without being asked.
    #[inline(always)]
    pub(super) fn known(&self, parent: &Context) -> Option<bool> {
        match self {
            Self::AsParent { roots } => {
                // A parent that is active and not valid is one.
                let is_root = !parent.has_active_span();
                Some((is_root && *roots) || (!is_root && parent.span().span_context().is_sampled()))
            }
            Self::Always(sampled) => Some(*sampled),
            Self::Asked(_) => None,
        }
    }
}

/// What is known of every span of a hub before it starts, so that it can be decided about in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quick {
    /// Nothing: a sampler or an id generator has to be asked.
    No,
    AsParent {
        roots: bool,
    },
    Always(bool),
}

/// Spans are told to the sink by a collector, many at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batches {
    /// Spans of one thread that wait for the collector.
    pub(crate) ring: usize,
    /// Spans of all threads that wait besides, where the collector does not keep up. Beyond them,
    /// whoever ends spans tells the sink of them.
    pub(crate) backlog: usize,
}

/// See the module.
pub(super) struct Hub {
    pub(super) id: u32,
    generation: u32,
    closed: AtomicBool,
    pub(super) quick: Quick,
    pub(super) config: HubConfig,
    pub(super) rules: &'static Rules,
    /// Whether notes of records are read.
    pub(super) notes: bool,
    shelves: Shelves<Contents>,
    /// Held by whoever collects: what was found, and is left from one collection to the next by its memory only.
    collecting: Mutex<VecDeque<Sealed<Contents>>>,
    collector: OnceLock<Thread>,
}

/// No hub has this number.
pub(super) const NOBODY: u32 = 0;
/// Hubs have numbers below this.
pub(super) const NUMBERS_END: u32 = u32::MAX;

/// Between two looks at the deadline.
const SPANS_BETWEEN_LOOKS: usize = 64;
/// What a collection found has so much room for the next one.
const FOUND: usize = 1 << 14;
/// Between two looks whether another thread still collects.
const RETRY: Duration = Duration::from_millis(1);

static OPEN: RwLock<Vec<Arc<Hub>>> = RwLock::new(Vec::new());

/// Rules for ever: a process has few different ones.
static RULES: Mutex<Vec<&'static Rules>> = Mutex::new(Vec::new());

/// The locks on what hubs have in common, which a fork holds so that the child finds them free.
#[cfg(unix)]
pub(crate) struct HubsGuard {
    _open: RwLockWriteGuard<'static, Vec<Arc<Hub>>>,
    _rules: MutexGuard<'static, Vec<&'static Rules>>,
}

#[cfg(unix)]
impl HubsGuard {
    pub(crate) fn lock() -> Self {
        Self {
            _open: OPEN.write().unwrap_or_else(PoisonError::into_inner),
            _rules: RULES.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

thread_local! {
    /// This thread collects: it cannot wait for itself.
    static COLLECTING: Cell<bool> = const { Cell::new(false) };
}

/// The hub of this number, unless it is closed.
pub(super) fn find(id: u32) -> Option<Arc<Hub>> {
    let open = OPEN.read().unwrap_or_else(PoisonError::into_inner);
    open.iter().find(|hub| hub.id == id).cloned()
}

impl Hub {
    pub(super) fn open(config: HubConfig) -> Arc<Self> {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let hub = Arc::new(Self {
            // Of 2^32 hubs two of the same number would have to be open at once.
            id: LAST.fetch_add(1, Ordering::Relaxed) % (NUMBERS_END - 1) + 1,
            generation: generation(),
            closed: AtomicBool::new(false),
            quick: match (&config.ids, &config.sampling) {
                (Some(_), _) | (None, Sampling::Asked(_)) => Quick::No,
                (None, Sampling::AsParent { roots }) => Quick::AsParent { roots: *roots },
                (None, Sampling::Always(sampled)) => Quick::Always(*sampled),
            },
            rules: interned(Rules {
                limits: config.limits,
                copies_texts: config.sink.handling() == Handling::Writes,
            }),
            notes: config.sink.handling() == Handling::PassesOn,
            shelves: Shelves::new(config.batches.map_or(0, |batches| batches.backlog)),
            config,
            collecting: Mutex::default(),
            collector: OnceLock::new(),
        });
        if hub.inherits() || matches!(hub.quick, Quick::Always(false)) {
            quick::may_know_early();
        }
        let mut open = OPEN.write().unwrap_or_else(PoisonError::into_inner);
        open.push(Arc::clone(&hub));
        hub
    }

    /// Whether a span that does not record keeps the ids of its parent.
    #[inline(always)]
    pub(super) fn inherits(&self) -> bool {
        self.config.unsampled == UnsampledId::InheritParent
    }

    /// A span id that receivers count, where ids are such.
    #[inline(always)]
    pub(super) fn counted_span_id(&self) -> Option<SpanId> {
        #[cfg(feature = "tracezip")]
        return self.config.counted.as_ref().map(IdGenerator::new_span_id);
        #[cfg(not(feature = "tracezip"))]
        None
    }

    /// A trace id of that kind.
    #[inline(always)]
    pub(super) fn counted_trace_id(&self) -> Option<TraceId> {
        #[cfg(feature = "tracezip")]
        return self.config.counted.as_ref().map(IdGenerator::new_trace_id);
        #[cfg(not(feature = "tracezip"))]
        None
    }

    /// A span id, where no generator of the application's is asked.
    #[inline(always)]
    pub(super) fn span_id(&self) -> SpanId {
        self.counted_span_id().unwrap_or_else(ids::span_id)
    }

    /// A trace id, where no generator of the application's is asked.
    #[inline(always)]
    pub(super) fn trace_id(&self) -> TraceId {
        self.counted_trace_id().unwrap_or_else(ids::trace_id)
    }

    /// From now on no span starts here, and what ends is lost. What has ended is still to be collected, up to
    /// [`Hub::end`].
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let mut open = OPEN.write().unwrap_or_else(PoisonError::into_inner);
        open.retain(|hub| hub.id != self.id);
        drop(open);
        self.wake();
    }

    /// What has not been collected by now is lost.
    pub(super) fn end(&self) {
        give_up(self.shelves.end());
    }

    #[inline(always)]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// It is another process's: this one is a forked child.
    pub(super) fn is_foreign(&self) -> bool {
        self.generation != generation()
    }

    #[inline(always)]
    pub(super) fn is_immediate(&self) -> bool {
        self.config.batches.is_none()
    }

    /// Whether a span under `parent` needs nobody's word but, perhaps, the sampler's.
    #[inline(always)]
    pub(super) fn decides_alone(&self, parent: &Context) -> bool {
        !parent.is_telemetry_suppressed() && !self.is_closed() && self.config.ids.is_none()
    }

    /// Its number, or [`NOBODY`] where the sink does not hear of a span with these flags.
    #[inline(always)]
    pub(super) fn number_for(&self, flags: TraceFlags) -> u32 {
        let hears = flags.is_sampled() || self.config.tells_unsampled || self.config.counts_dropped;
        if hears { self.id } else { NOBODY }
    }

    pub(super) fn ring_capacity(&self) -> usize {
        self.config
            .batches
            .map_or(1, |batches| batches.ring.max(1))
            .next_power_of_two()
    }

    pub(super) fn forked(&self) {
        self.config.sink.forked();
    }

    pub(super) fn shelves(&self) -> &Shelves<Contents> {
        &self.shelves
    }

    /// Tells the sink of a span, on the thread that ended it.
    pub(super) fn hand_now(&self, record: Owned<Contents>) {
        if self.is_closed() {
            desk::recycle(record);
        } else {
            self.tell(std::iter::once(record.seal(UNKNOWN)));
        }
    }

    /// The same with spans for which the backlog has no room. They ended before the hub was closed, if it is.
    pub(super) fn hand_left(&self, left: Left<Contents>) {
        let Some(_telling) = &left.telling else {
            return give_up(left.records);
        };
        // A sink that has everything collected would wait for itself.
        let was_collecting = COLLECTING.replace(true);
        self.tell(left.records.into_iter());
        COLLECTING.set(was_collecting);
    }

    fn tell(&self, records: impl Iterator<Item = Sealed<Contents>>) {
        let mut spans = records.map(Ended::new);
        until_it_returns(|| self.config.sink.all_ended(&mut spans));
    }

    /// The collector is to be woken by [`Hub::wake`].
    pub(super) fn set_collector(&self, collector: Thread) {
        let _ = self.collector.set(collector);
    }

    pub(super) fn wake(&self) {
        if let Some(collector) = self.collector.get()
            && !self.is_foreign()
        {
            collector.unpark();
        }
    }

    /// Tells the sink of every span that has ended before this was called, but for those that other threads tell it
    /// of just now, and says how many there were. What would take longer than until `deadline` is left for later. A
    /// sink that calls this again, while it is told of a span, changes nothing; nor does whoever finds another thread
    /// collecting until `deadline`.
    pub(super) fn collect(&self, deadline: Instant) -> usize {
        self.collect_beside(deadline).0
    }

    /// The same, and waits for those other threads.
    pub(super) fn collect_all(&self, deadline: Instant) {
        let (_, mut tellers) = self.collect_beside(deadline);
        loop {
            tellers.retain(|teller| !teller.is_done());
            if tellers.is_empty() || Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(RETRY);
        }
    }

    fn collect_beside(&self, deadline: Instant) -> (usize, Vec<Teller<Contents>>) {
        if self.is_foreign() || COLLECTING.replace(true) {
            return Default::default();
        }
        let collected = self
            .alone_until(deadline)
            .map(|mut found| self.collect_alone(&mut found, deadline));
        COLLECTING.set(false);
        collected.unwrap_or_default()
    }

    fn alone_until(&self, deadline: Instant) -> Option<MutexGuard<'_, VecDeque<Sealed<Contents>>>> {
        loop {
            match self.collecting.try_lock() {
                Ok(alone) => return Some(alone),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(RETRY),
            }
        }
    }

    fn collect_alone(
        &self,
        found: &mut VecDeque<Sealed<Contents>>,
        deadline: Instant,
    ) -> (usize, Vec<Teller<Contents>>) {
        let mut collected = 0;
        let Gathered { started, tellers } = self.shelves.gather(found);
        if started > 0 {
            self.config.sink.started(started);
        }
        while !found.is_empty() {
            let mut next = EndedSpans::of(found, SPANS_BETWEEN_LOOKS);
            collected += next.len();
            if self.notes {
                until_it_returns(|| self.config.sink.pass_on(&mut next));
            } else {
                until_it_returns(|| self.config.sink.all_ended(&mut next));
            }
            // A queue that lets its callers wait may take longer than they have.
            if Instant::now() >= deadline {
                break;
            }
        }
        self.shelves.put_back(found.drain(..));
        if found.capacity() > FOUND {
            *found = VecDeque::new();
        }
        (collected, tellers)
    }
}

/// A sink that panics is a processor of the user's: it costs the span.
fn until_it_returns(mut tell: impl FnMut()) {
    while catch_unwind(AssertUnwindSafe(&mut tell)).is_err() {}
}

impl Drop for Hub {
    /// What a shutdown has left behind.
    fn drop(&mut self) {
        self.end();
    }
}

/// Records of spans of which nobody will hear.
fn give_up(records: Vec<Sealed<Contents>>) {
    pool::give(records.into_iter().map(|mut record| {
        record.with(Contents::clear);
        record.open()
    }));
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("id", &self.id)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The same for the same.
fn interned(rules: Rules) -> &'static Rules {
    let fields = |rules: &Rules| {
        (
            rules.limits.max_attributes_per_span,
            rules.limits.max_events_per_span,
            rules.limits.max_links_per_span,
            rules.limits.max_attributes_per_event,
            rules.limits.max_attributes_per_link,
            rules.copies_texts,
        )
    };
    let mut known = RULES.lock().unwrap_or_else(PoisonError::into_inner);
    let same = known.iter().find(|other| fields(other) == fields(&rules));
    match same {
        Some(same) => same,
        None => {
            let new: &'static Rules = Box::leak(Box::new(rules));
            known.push(new);
            new
        }
    }
}
