//! A span that has ended, on its way out.
#![expect(
    unsafe_code,
    reason = "the data of a span is built where it stays: `Vec::push` would copy it from the stack; and a record is given back by a drop"
)]

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::trace::SpanData;

use super::contents::{self, Contents, UNKNOWN, Written};
use super::desk;
use super::record::Sealed;
use crate::extensions::simd::Aggregator;
use crate::fetch;
use crate::span::Scope;

/// A span that has ended. Dropping it gives its record back.
pub(crate) struct Ended(ManuallyDrop<Sealed<Contents>>);

/// The next spans of those that a collection has found.
pub(crate) struct EndedSpans<'a> {
    records: &'a mut VecDeque<Sealed<Contents>>,
    left: usize,
}

/// So many spans before its turn the place of one is fetched.
const SLOTS_AHEAD: usize = 2;
const LINES: usize = size_of::<SpanData>().div_ceil(64);

thread_local! {
    /// The scope of the last span that this thread turned into `SpanData`.
    static LAST_SCOPE: Cell<Option<(Scope, &'static InstrumentationScope)>> = const { Cell::new(None) };
}

impl Ended {
    pub(super) fn new(record: Sealed<Contents>) -> Self {
        Self(ManuallyDrop::new(record))
    }

    /// Calls `read` with what is in the record, which is free then.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    #[inline(always)]
    pub(super) fn read(mut self, read: impl FnOnce(&mut Contents)) {
        self.0.with(read);
    }

    /// Whether the sampler has dropped it.
    pub(crate) fn is_dropped(&mut self) -> bool {
        self.0.with(|contents| contents.is_dropped())
    }

    /// Shows it to RED metrics.
    pub(crate) fn count_by(&mut self, red: &Aggregator) {
        self.0.with(|contents| {
            let (name, kind, status, nanos) = contents.call();
            red.count(name.clone(), kind, status, nanos);
        });
    }

    /// What the record weighs in a queue, where that is known.
    #[inline(always)]
    pub(super) fn weight(&self) -> Option<usize> {
        match self.0.note() {
            UNKNOWN => None,
            weight => usize::try_from(weight).ok(),
        }
    }

    /// The same, but for spans that are not sampled. As a rule the record is not looked at for that.
    #[inline(always)]
    pub(super) fn find_weight(&mut self) -> Option<usize> {
        find_weight(&mut self.0);
        self.weight()
    }

    /// Has the processor fetch the record: see [`contents::fetch_ahead`](super::contents::fetch_ahead).
    #[inline(always)]
    pub(super) fn fetch_by(&mut self, fetch: fn(&mut Sealed<Contents>)) {
        fetch(&mut self.0);
    }

    /// What an official span hands to an official processor.
    pub(crate) fn into_span_data(mut self) -> SpanData {
        self.0.with(|contents| contents.take(write_official))
    }

    /// The same, built where it stays: a move would read it back before it has left for the cache. `prepare` sees it
    /// without what it did.
    #[inline(always)]
    pub(super) fn put_into(
        mut self,
        batch: &mut Vec<SpanData>,
        prepare: impl FnOnce(&mut SpanData),
    ) {
        self.0.with(|contents| {
            #[cfg(feature = "ebpf")]
            let did = contents.did();
            #[cfg(feature = "ebpf")]
            let room = did.attributes();
            #[cfg(not(feature = "ebpf"))]
            let room = 0;
            batch.reserve(1);
            let Some(slot) = batch.spare_capacity_mut().first_mut() else {
                return;
            };
            // Memory that no cache holds, as a rule: so it is asked for while others are written.
            fetch::lines_to_write(std::ptr::from_mut(slot).wrapping_add(SLOTS_AHEAD), 0..LINES);
            let span = contents.take_into(slot, room, write_official);
            prepare(span);
            #[cfg(feature = "ebpf")]
            did.push_to(span);
            let written = batch.len() + 1;
            // SAFETY: there is room for one more, and it was written. (If `prepare` should unwind, it is leaked.)
            unsafe { batch.set_len(written) };
        });
    }
}

impl<'a> EndedSpans<'a> {
    /// The next `count`, or as many as there are.
    pub(super) fn of(records: &'a mut VecDeque<Sealed<Contents>>, count: usize) -> Self {
        Self {
            left: count.min(records.len()),
            records,
        }
    }

    /// Finds out what they weigh together; `None` if one is not sampled.
    pub(super) fn find_weights(&mut self) -> Option<usize> {
        let mut sum = 0;
        for at in 0..self.left {
            let record = self.records.get_mut(at)?;
            find_weight(record);
            if record.note() == UNKNOWN {
                return None;
            }
            sum += record.note();
            fetch_ahead(self.records, at + 1);
        }
        usize::try_from(sum).ok()
    }

    /// All of them, whose weights are known.
    #[inline(always)]
    pub(super) fn drain(&mut self) -> impl ExactSizeIterator<Item = Ended> {
        let count = std::mem::take(&mut self.left);
        self.records.drain(..count).map(Ended::new)
    }
}

/// Whoever ended a span had its record last. What is known of one is enough, as a rule.
#[inline(always)]
fn fetch_ahead(records: &mut VecDeque<Sealed<Contents>>, from: usize) {
    contents::fetch_ahead(|ahead, fetch| {
        let ahead = records.get_mut(from + ahead);
        ahead.filter(|record| record.note() == UNKNOWN).map(fetch);
    });
}

#[inline(always)]
fn find_weight(record: &mut Sealed<Contents>) {
    if record.note() == UNKNOWN {
        let weight = record.with(|contents| contents.is_sampled().then(|| contents.weight()));
        record.set_note(weight.map_or(UNKNOWN, |weight| weight as u64));
    }
}

impl Iterator for EndedSpans<'_> {
    type Item = Ended;

    #[inline]
    fn next(&mut self) -> Option<Ended> {
        self.left = self.left.checked_sub(1)?;
        let record = self.records.pop_front()?;
        fetch_ahead(self.records, 0);
        Some(Ended::new(record))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for EndedSpans<'_> {}

/// Writes the scope of this number, which is as a rule that of the span before.
#[inline(always)]
fn write_official(scope: Scope, slot: &mut MaybeUninit<InstrumentationScope>) -> Written {
    match LAST_SCOPE.try_with(Cell::get) {
        Ok(Some((known, official))) if known == scope => write_same(official, slot),
        _ => Written::of(slot, another(scope)),
    }
}

/// What an official clone is but for its texts, which are kept for ever: that is put together in other pieces than it is
/// moved in, and whoever moves it waits until all that was written before, to memory that is elsewhere, is there. So there
/// is a call for each kind, and nothing to be moved.
#[inline(always)]
fn write_same(
    official: &'static InstrumentationScope,
    slot: &mut MaybeUninit<InstrumentationScope>,
) -> Written {
    let builder = || InstrumentationScope::builder(official.name());
    let has_attributes = official.attributes().next().is_some();
    match (official.version(), official.schema_url()) {
        (None, None) if !has_attributes => Written::of(slot, builder().build()),
        (Some(version), None) if !has_attributes => {
            Written::of(slot, builder().with_version(version).build())
        }
        _ => Written::of(slot, official.clone()),
    }
}

#[cold]
fn another(scope: Scope) -> InstrumentationScope {
    let Some(official) = scope.official() else {
        return InstrumentationScope::default();
    };
    let _ = LAST_SCOPE.try_with(|last| last.set(Some((scope, official))));
    official.clone()
}

impl Drop for Ended {
    fn drop(&mut self) {
        // SAFETY: it is taken once, for this is dropped once.
        let record = unsafe { ManuallyDrop::take(&mut self.0) };
        desk::recycle(record.open());
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(otel_enhance_loom)))]
mod tests {
    use opentelemetry::KeyValue;

    use super::*;

    #[test]
    fn scope_written_for_its_spans_is_equal_to_the_official_one() {
        let builder = || InstrumentationScope::builder("written".to_owned());
        for scope in [
            builder().build(),
            builder().with_version("1").build(),
            builder().with_schema_url("schema").build(),
            builder()
                .with_version("2".to_owned())
                .with_schema_url("schema")
                .build(),
            builder()
                .with_version("3")
                .with_attributes([KeyValue::new("key", "value")])
                .build(),
        ] {
            let number = Scope::of(&scope).unwrap();
            // The second time it is known.
            for _ in 0..2 {
                let mut slot = MaybeUninit::uninit();
                write_official(number, &mut slot);
                // SAFETY: it was written.
                assert_eq!(unsafe { slot.assume_init() }, scope);
            }
        }
    }
}
