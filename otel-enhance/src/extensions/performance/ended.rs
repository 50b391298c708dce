//! A span that has ended, on its way out.
#![expect(
    unsafe_code,
    reason = "the data of a span is built where it stays: `Vec::push` would copy it from the stack"
)]

use std::cell::Cell;
use std::fmt;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::trace::SpanData;

use super::contents::Contents;
use super::desk;
use super::record::Owned;
use crate::extensions::simd::Aggregator;
use crate::span::Scope;

/// A span that has ended. Dropping it gives its record back.
pub(crate) struct Ended(Option<Owned<Contents>>);

thread_local! {
    /// The scope of the last span that this thread turned into `SpanData`.
    static LAST_SCOPE: Cell<Option<(Scope, &'static InstrumentationScope)>> = const { Cell::new(None) };
}

impl Ended {
    pub(super) fn new(record: Owned<Contents>) -> Self {
        Self(Some(record))
    }

    /// Calls `read` with what is in the record, which is free then.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    #[inline(always)]
    pub(super) fn read(mut self, read: impl FnOnce(&mut Contents)) {
        if let Some(record) = self.0.as_mut() {
            record.with(read);
        }
    }

    /// Whether the sampler has dropped it.
    pub(crate) fn is_dropped(&mut self) -> bool {
        let record = self.0.as_mut();
        record.is_some_and(|record| record.with(|contents| contents.is_dropped()))
    }

    /// Shows it to RED metrics.
    pub(crate) fn count_by(&mut self, red: &Aggregator) {
        if let Some(record) = &mut self.0 {
            record.with(|contents| {
                let (name, kind, status, nanos) = contents.call();
                red.count(name.clone(), kind, status, nanos);
            });
        }
    }

    /// What `look` finds in the record.
    #[inline(always)]
    pub(super) fn look<R>(&mut self, look: impl FnOnce(&Contents) -> R) -> Option<R> {
        self.0
            .as_mut()
            .map(|record| record.with(|contents| look(contents)))
    }

    /// Has the processor fetch the record: see [`contents::fetch_ahead`](super::contents::fetch_ahead).
    #[inline(always)]
    pub(super) fn fetch_by(&mut self, fetch: fn(&mut Owned<Contents>)) {
        self.0.as_mut().map(fetch);
    }

    /// What an official span hands to an official processor.
    pub(crate) fn into_span_data(mut self) -> Option<SpanData> {
        let record = self.0.as_mut()?;
        Some(record.with(|contents| contents.take(official)))
    }

    /// The same, built where it stays: a move would read it back before it has left for the cache. `prepare` sees it
    /// without what it did.
    #[inline(always)]
    pub(super) fn put_into(
        mut self,
        batch: &mut Vec<SpanData>,
        prepare: impl FnOnce(&mut SpanData),
    ) {
        let Some(record) = self.0.as_mut() else {
            return;
        };
        record.with(|contents| {
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
            let span = contents.take_into(slot, room, official);
            prepare(span);
            #[cfg(feature = "ebpf")]
            did.push_to(span);
            let written = batch.len() + 1;
            // SAFETY: there is room for one more, and it was written. (If `prepare` should unwind, it is leaked.)
            unsafe { batch.set_len(written) };
        });
    }
}

/// The scope of this number, which is as a rule that of the span before.
#[inline(always)]
fn official(scope: Scope) -> InstrumentationScope {
    match LAST_SCOPE.try_with(Cell::get) {
        Ok(Some((known, official))) if known == scope => official.clone(),
        _ => another(scope),
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
        if let Some(record) = self.0.take() {
            desk::recycle(record);
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").finish_non_exhaustive()
    }
}
