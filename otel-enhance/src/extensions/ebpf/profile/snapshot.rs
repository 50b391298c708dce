//! A profile: what was collected, with names instead of addresses.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::aggregate::{Entry, Row, Span, Thread, Weight};
use super::modules::Module;
use super::symbols::{Frame, Frames};

/// What a thread did when a sample of it was taken.
///
/// # Minimum kernel version
///
/// None; samples of each take what [`Profile`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProfileKind {
    /// It was on a CPU: a tick of the clock.
    Cpu,
    /// It slept, which is one sample however long it was.
    OffCpu,
}

/// Which stacks the spans of a process were in, and for how long.
///
/// A snapshot: it does not change, and is read without disturbing anybody. [`of_span_name`](Self::of_span_name)
/// and its like cut parts out of it.
///
/// # Minimum kernel version
///
/// What is in it takes 5.15, `CAP_BPF` and `CAP_PERFMON` while loading; with off-CPU samples, BTF as well.
#[derive(Debug, Clone)]
pub struct Profile {
    pub(crate) rows: Vec<(Row, Weight)>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) started: SystemTime,
    pub(crate) duration: Duration,
    pub(crate) period_ns: u64,
    account: ProfileAccount,
}

/// What became of the samples of a process since it was started.
///
/// # Minimum kernel version
///
/// As of [`Profile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProfileAccount {
    /// Samples that were read and added up.
    pub read: u64,
    /// Samples that found the ring full.
    pub lost: u64,
    /// Samples that were read and not looked at, because there were too many at once.
    pub skipped: u64,
    /// Of [`read`](Self::read), those whose stack could not be followed to its root.
    pub cut_off: u64,
    /// Of [`read`](Self::read), those whose stack is among `[other stacks]`, because there were too many.
    pub other_stacks: u64,
    /// Spans whose samples are kept by name alone, because there were too many.
    pub spans_without_ids: u64,
    /// Of [`read`](Self::read), those whose thread is not kept, because there were too many.
    pub without_thread: u64,
    /// Sleeps within a span that were not looked at, however long they were: of threads beyond the 255 that
    /// [`with_off_cpu`](crate::config::EbpfSettings::with_off_cpu) looks at.
    pub sleeps_unwatched: u64,
}

/// Where code is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) path: Arc<str>,
    pub(crate) start: u64,
    pub(crate) limit: u64,
    pub(crate) file_offset: u64,
    pub(crate) build_id: Arc<str>,
}

impl From<&Module> for Mapping {
    fn from(module: &Module) -> Self {
        let build_id: String = module.build_id.iter().map(|b| format!("{b:02x}")).collect();
        Self {
            path: module.path.as_str().into(),
            start: module.code.start,
            limit: module.code.end,
            file_offset: module.file_offset,
            build_id: build_id.into(),
        }
    }
}

/// What rows refer to.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) stacks: Vec<Arc<[u64]>>,
    pub(crate) spans: Vec<Span>,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) threads: Vec<Thread>,
    pub(crate) mappings: Arc<[Mapping]>,
    pub(crate) frames: HashMap<u64, Frames>,
}

impl Tables {
    pub(crate) fn stack(&self, entry: Entry) -> &[u64] {
        get(&self.stacks, entry).map_or(&[], |stack| stack)
    }

    pub(crate) fn thread(&self, entry: Entry) -> Option<&Thread> {
        get(&self.threads, entry)
    }

    pub(crate) fn span(&self, entry: Entry) -> Option<&Span> {
        get(&self.spans, entry)
    }

    pub(crate) fn span_name(&self, entry: Entry) -> Option<&str> {
        let name = self.span(entry)?.name?;
        self.names.get(name as usize).map(|name| &**name)
    }

    pub(crate) fn frames_of(&self, address: u64) -> &[Frame] {
        self.frames.get(&address).map_or(&[], |frames| frames)
    }
}

fn get<T>(table: &[T], entry: Entry) -> Option<&T> {
    table.get((entry as usize).checked_sub(1)?)
}

/// One stack of one span on one thread, with how often and how long it was there.
///
/// # Minimum kernel version
///
/// As of [`Profile`].
#[derive(Debug, Clone, Copy)]
pub struct ProfileSample<'p> {
    profile: &'p Profile,
    row: Row,
    kind: ProfileKind,
    count: u64,
    nanoseconds: u64,
}

impl<'p> ProfileSample<'p> {
    pub(crate) fn row(&self) -> Row {
        self.row
    }

    /// Whether the thread was on a CPU or slept.
    #[must_use]
    pub fn kind(&self) -> ProfileKind {
        self.kind
    }

    /// How many samples that were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long that was, in nanoseconds: for samples of the CPU, the clock's period for each.
    #[must_use]
    pub fn nanoseconds(&self) -> u64 {
        self.nanoseconds
    }

    /// The trace of the span, in the order of the wire; `None` outside of spans, and where only the name was kept.
    #[must_use]
    pub fn trace_id(&self) -> Option<[u8; 16]> {
        Some(self.profile.tables.span(self.row.span)?.ids?.trace)
    }

    /// The span; `None` as for [`trace_id`](Self::trace_id).
    #[must_use]
    pub fn span_id(&self) -> Option<[u8; 8]> {
        Some(self.profile.tables.span(self.row.span)?.ids?.span)
    }

    /// Whether a span was active.
    #[must_use]
    pub fn is_in_span(&self) -> bool {
        self.row.span != 0
    }

    /// What the span is called; `None` outside of spans, and where that is not known before it ends.
    #[must_use]
    pub fn span_name(&self) -> Option<&'p str> {
        self.profile.tables.span_name(self.row.span)
    }

    /// The thread's number, and what it is called; `None` where threads are more than are told apart.
    #[must_use]
    pub fn thread(&self) -> Option<(u32, &'p str)> {
        let thread = self.profile.tables.thread(self.row.thread)?;
        Some((thread.tid, &thread.name))
    }

    /// The functions, from the one that ran or slept to the one where the thread began.
    pub fn frames(&self) -> impl Iterator<Item = &'p Frame> + use<'p> {
        let tables = &self.profile.tables;
        tables
            .stack(self.row.stack)
            .iter()
            .flat_map(|address| tables.frames_of(*address))
    }
}

impl Profile {
    pub(crate) fn new(
        mut rows: Vec<(Row, Weight)>,
        tables: Tables,
        started: SystemTime,
        duration: Duration,
        period_ns: u64,
        account: ProfileAccount,
    ) -> Self {
        rows.sort_unstable_by_key(|(row, _)| (row.span, row.thread, row.stack));
        Self {
            rows,
            tables: Arc::new(tables),
            started,
            duration,
            period_ns,
            account,
        }
    }

    /// When it begins.
    #[must_use]
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// How long a time it is about.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Of the whole process since it was started, whatever part of it this profile is.
    #[must_use]
    pub fn account(&self) -> ProfileAccount {
        self.account
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Everything in it, one kind after the other.
    pub fn samples(&self) -> impl Iterator<Item = ProfileSample<'_>> {
        [ProfileKind::Cpu, ProfileKind::OffCpu]
            .into_iter()
            .flat_map(|kind| self.samples_of(kind))
    }

    pub(crate) fn samples_of(&self, kind: ProfileKind) -> impl Iterator<Item = ProfileSample<'_>> {
        self.rows.iter().filter_map(move |&(row, weight)| {
            let (count, nanoseconds) = match kind {
                ProfileKind::Cpu => (weight.ticks, weight.ticks * self.period_ns),
                ProfileKind::OffCpu => (weight.sleeps, weight.slept_ns),
            };
            (count > 0).then_some(ProfileSample {
                profile: self,
                row,
                kind,
                count,
                nanoseconds,
            })
        })
    }

    /// How long all of it was together: CPU time by samples, or sleeps.
    #[must_use]
    pub fn time(&self, kind: ProfileKind) -> Duration {
        Duration::from_nanos(self.samples_of(kind).map(|s| s.nanoseconds()).sum())
    }

    /// The names of spans in it, those with the most time first.
    #[must_use]
    pub fn span_names(&self) -> Vec<&str> {
        let mut times: HashMap<&str, u64> = HashMap::new();
        for sample in self.samples() {
            if let Some(name) = sample.span_name() {
                *times.entry(name).or_default() += sample.nanoseconds();
            }
        }
        let mut names: Vec<_> = times.into_iter().collect();
        names.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        names.into_iter().map(|(name, _)| name).collect()
    }

    /// What of it was within spans of this name.
    #[must_use]
    pub fn of_span_name(&self, name: &str) -> Self {
        self.only(|row| self.tables.span_name(row.span) == Some(name))
    }

    /// What of it was within this span.
    #[must_use]
    pub fn of_span(&self, span_id: [u8; 8]) -> Self {
        self.only(|row| self.ids(row).is_some_and(|ids| ids.span == span_id))
    }

    /// What of it was within this trace.
    #[must_use]
    pub fn of_trace(&self, trace_id: [u8; 16]) -> Self {
        self.only(|row| self.ids(row).is_some_and(|ids| ids.trace == trace_id))
    }

    fn ids(&self, row: Row) -> Option<super::aggregate::Ids> {
        self.tables.span(row.span)?.ids
    }

    fn only(&self, keep: impl Fn(Row) -> bool) -> Self {
        let rows = self.rows.iter().copied().filter(|(row, _)| keep(*row));
        Self {
            rows: rows.collect(),
            tables: self.tables.clone(),
            ..*self
        }
    }

    /// The addresses on its stacks, in order.
    pub(crate) fn addresses(&self) -> Vec<u64> {
        let stacks: HashSet<Entry> = self.rows.iter().map(|(row, _)| row.stack).collect();
        let addresses = stacks
            .iter()
            .flat_map(|stack| self.tables.stack(*stack).iter().copied());
        let mut addresses: Vec<u64> = addresses.collect::<HashSet<_>>().into_iter().collect();
        addresses.sort_unstable();
        addresses
    }
}
