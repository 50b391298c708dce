//! Samples, added up: bounded tables of stacks, spans and threads, and rows that count.

use std::collections::HashMap;
use std::sync::Arc;

use super::stack::OTHERS;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Different stacks.
    pub(crate) stacks: usize,
    /// Addresses in all stacks together.
    pub(crate) addresses: usize,
    /// Spans that are told apart.
    pub(crate) spans: usize,
    /// Names of spans.
    pub(crate) names: usize,
    /// Threads that are told apart.
    pub(crate) threads: usize,
    /// Combinations of these.
    pub(crate) rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stacks: 16_384,
            addresses: 1 << 20,
            spans: 8_192,
            names: 2_048,
            threads: 4_096,
            rows: 65_536,
        }
    }
}

/// Ids of a span, in the order of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ids {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

/// The span of a row: its ids are gone where spans are more than the bound, its name where it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) ids: Option<Ids>,
    pub(crate) name: Option<u32>,
}

/// A number of a table's entry; 0 is none, and the entry of number n is the table's n - 1st.
pub(crate) type Entry = u32;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) span: Entry,
    pub(crate) stack: Entry,
    pub(crate) thread: Entry,
}

/// What a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Weight {
    /// Ticks of the clock.
    pub(crate) ticks: u64,
    /// Sleeps.
    pub(crate) sleeps: u64,
    /// Their length, in nanoseconds.
    pub(crate) slept_ns: u64,
}

impl Weight {
    pub(crate) const TICK: Self = Self {
        ticks: 1,
        sleeps: 0,
        slept_ns: 0,
    };

    pub(crate) fn sleep(slept_ns: u64) -> Self {
        Self {
            ticks: 0,
            sleeps: 1,
            slept_ns,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.ticks += other.ticks;
        self.sleeps += other.sleeps;
        self.slept_ns += other.slept_ns;
    }

    pub(crate) fn less(self, other: Self) -> Self {
        Self {
            ticks: self.ticks.saturating_sub(other.ticks),
            sleeps: self.sleeps.saturating_sub(other.sleeps),
            slept_ns: self.slept_ns.saturating_sub(other.slept_ns),
        }
    }

    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// A row's sums.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) all: Weight,
    /// What of that [`Aggregate::news`] has given out.
    pub(crate) told: Weight,
}

/// What became of samples that are not kept as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bounds {
    /// Samples whose stack is one of `[other stacks]`.
    pub(crate) stacks: u64,
    /// Spans whose samples are kept by name alone, or by no name where they have not ended.
    pub(crate) spans: u64,
    /// Samples whose thread is not kept.
    pub(crate) threads: u64,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    /// Its number in this process's PID namespace, or else in the initial one.
    pub(crate) tid: u32,
    pub(crate) name: Arc<str>,
}

#[derive(Debug, Default)]
pub(crate) struct Aggregate {
    limits: Limits,
    pub(crate) stacks: Vec<Arc<[u64]>>,
    stack_numbers: HashMap<Arc<[u64]>, Entry>,
    addresses: usize,
    pub(crate) spans: Vec<Span>,
    span_numbers: HashMap<[u8; 8], Entry>,
    /// Numbers of spans whose samples have gone to their name.
    free_spans: Vec<Entry>,
    pub(crate) names: Vec<Arc<str>>,
    name_numbers: HashMap<Arc<str>, u32>,
    /// By name: the span without ids that takes what does not fit.
    by_name: HashMap<Option<u32>, Entry>,
    pub(crate) threads: Vec<Thread>,
    thread_numbers: HashMap<u32, Entry>,
    pub(crate) rows: HashMap<Row, Counted>,
    pub(crate) bounds: Bounds,
}

impl Aggregate {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Adds one sample; whether its thread is a new one, which [`describe_thread`](Self::describe_thread) wants to
    /// hear of.
    pub(crate) fn add(
        &mut self,
        ids: Option<Ids>,
        tid: u32,
        frames: &[u64],
        weight: Weight,
    ) -> bool {
        let known = self.threads.len();
        let row = Row {
            span: ids.map_or(0, |ids| self.span(ids)),
            stack: self.stack(frames),
            thread: self.thread(tid),
        };
        self.count(row, weight);
        self.threads.len() > known
    }

    fn count(&mut self, row: Row, weight: Weight) {
        if let Some(sum) = self.rows.get_mut(&row) {
            sum.all.add(weight);
            return;
        }
        if self.rows.len() < self.limits.rows {
            let counted = Counted {
                all: weight,
                ..Counted::default()
            };
            self.rows.insert(row, counted);
            return;
        }
        // Less and less is told apart; the last of these rows are few.
        self.bounds.stacks += 1;
        self.bounds.threads += 1;
        let name = self.span_of(row.span).and_then(|span| span.name);
        let span = if row.span == 0 {
            0
        } else {
            self.nameless(name)
        };
        let stack = self.others();
        let row = Row {
            span,
            stack,
            thread: 0,
        };
        self.rows.entry(row).or_default().all.add(weight);
    }

    /// Every row, with what was counted in all.
    pub(crate) fn totals(&self) -> Vec<(Row, Weight)> {
        self.rows
            .iter()
            .map(|(&row, sums)| (row, sums.all))
            .collect()
    }

    /// The rows that grew since this was called last, with what they grew by.
    pub(crate) fn news(&mut self) -> Vec<(Row, Weight)> {
        let mut news = Vec::new();
        for (&row, sums) in &mut self.rows {
            let more = sums.all.less(sums.told);
            if !more.is_none() {
                news.push((row, more));
                sums.told = sums.all;
            }
        }
        news
    }

    fn span_of(&self, entry: Entry) -> Option<&Span> {
        self.spans.get((entry as usize).checked_sub(1)?)
    }

    fn span(&mut self, ids: Ids) -> Entry {
        if let Some(&number) = self.span_numbers.get(&ids.span) {
            return number;
        }
        if self.span_numbers.len() >= self.limits.spans {
            self.thin_spans();
        }
        let span = Span {
            ids: Some(ids),
            name: None,
        };
        let number = self.put_span(span);
        self.span_numbers.insert(ids.span, number);
        number
    }

    fn put_span(&mut self, span: Span) -> Entry {
        if let Some(number) = self.free_spans.pop() {
            self.spans[number as usize - 1] = span;
            return number;
        }
        self.spans.push(span);
        self.spans.len() as Entry
    }

    /// The span that has this name and no ids.
    fn nameless(&mut self, name: Option<u32>) -> Entry {
        if let Some(&number) = self.by_name.get(&name) {
            return number;
        }
        let number = self.put_span(Span { ids: None, name });
        self.by_name.insert(name, number);
        number
    }

    /// Makes room: half of the spans give their ids up, those that have ended first. What they are called and where
    /// their time went stays.
    fn thin_spans(&mut self) {
        let want = self.limits.spans.div_ceil(2);
        let mut leaving: Vec<Entry> = self.span_numbers.values().copied().collect();
        leaving.sort_unstable_by_key(|&entry| {
            let named = self.span_of(entry).is_some_and(|span| span.name.is_some());
            (!named, entry)
        });
        leaving.truncate(want);
        let mut moved = HashMap::new();
        for entry in leaving {
            let Some(span) = self.span_of(entry).copied() else {
                continue;
            };
            if let Some(ids) = span.ids {
                self.span_numbers.remove(&ids.span);
            }
            moved.insert(entry, self.nameless(span.name));
            self.bounds.spans += 1;
        }
        let rows = std::mem::take(&mut self.rows);
        for (mut row, sums) in rows {
            if let Some(&span) = moved.get(&row.span) {
                row.span = span;
            }
            let place = self.rows.entry(row).or_default();
            place.all.add(sums.all);
            place.told.add(sums.told);
        }
        self.free_spans.extend(moved.into_keys());
    }

    fn stack(&mut self, frames: &[u64]) -> Entry {
        if let Some(&number) = self.stack_numbers.get(frames) {
            return number;
        }
        if self.stacks.len() >= self.limits.stacks
            || self.addresses + frames.len() > self.limits.addresses
        {
            self.bounds.stacks += 1;
            return self.others();
        }
        self.put_stack(frames)
    }

    fn others(&mut self) -> Entry {
        match self.stack_numbers.get(&[OTHERS][..]) {
            Some(&number) => number,
            None => self.put_stack(&[OTHERS]),
        }
    }

    fn put_stack(&mut self, frames: &[u64]) -> Entry {
        let frames: Arc<[u64]> = frames.into();
        self.addresses += frames.len();
        self.stacks.push(frames.clone());
        let number = self.stacks.len() as Entry;
        self.stack_numbers.insert(frames, number);
        number
    }

    fn thread(&mut self, tid: u32) -> Entry {
        if let Some(&number) = self.thread_numbers.get(&tid) {
            return number;
        }
        if self.threads.len() >= self.limits.threads {
            self.bounds.threads += 1;
            return 0;
        }
        let name = Arc::default();
        self.threads.push(Thread { tid, name });
        let number = self.threads.len() as Entry;
        self.thread_numbers.insert(tid, number);
        number
    }

    /// Says what the thread that the kernel calls `tid` is called, and its number in this process's namespace.
    pub(crate) fn describe_thread(&mut self, tid: u32, own: Option<u32>, name: &str) {
        let Some(&entry) = self.thread_numbers.get(&tid) else {
            return;
        };
        self.threads[entry as usize - 1] = Thread {
            tid: own.unwrap_or(tid),
            name: name.into(),
        };
    }

    /// Says what a span is called; whether it has samples.
    pub(crate) fn name(&mut self, span: [u8; 8], name: &str) -> bool {
        let Some(&entry) = self.span_numbers.get(&span) else {
            return false;
        };
        let name = self.name_number(name);
        self.spans[entry as usize - 1].name = Some(name);
        true
    }

    fn name_number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.name_numbers.get(name) {
            return number;
        }
        let name: Arc<str> = if self.names.len() < self.limits.names {
            name.into()
        } else {
            "[other spans]".into()
        };
        if let Some(&number) = self.name_numbers.get(&name) {
            return number;
        }
        self.names.push(name.clone());
        let number = self.names.len() as u32 - 1;
        self.name_numbers.insert(name, number);
        number
    }
}

#[cfg(test)]
#[path = "tests/aggregate.rs"]
mod tests;
