//! Spans that wait for their export as they travel.

use std::collections::VecDeque;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;

use super::store::Store;

/// Whose spans they are.
#[derive(Clone, Debug)]
pub(super) enum WrittenScope {
    /// One of the few that are kept for ever.
    Known(&'static InstrumentationScope),
    Own(Arc<InstrumentationScope>),
}

impl WrittenScope {
    pub(super) fn official(&self) -> &InstrumentationScope {
        match self {
            Self::Known(scope) => scope,
            Self::Own(scope) => scope,
        }
    }

    #[inline]
    fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.official(), other.official())
    }
}

/// One span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrittenSpan<'a> {
    pub(super) scope: &'a WrittenScope,
    pub(super) bytes: &'a [u8],
}

/// Spans one behind the other, of any scopes.
#[derive(Debug, Default)]
pub(crate) struct WrittenSpans {
    bytes: Vec<u8>,
    /// Where the oldest span begins.
    start: usize,
    lengths: VecDeque<usize>,
    runs: VecDeque<Run>,
    /// Spans that were moved here to be counted.
    counted: usize,
}

/// Spans of one scope next to each other.
#[derive(Debug)]
struct Run {
    scope: WrittenScope,
    spans: usize,
    bytes: usize,
}

/// What is kept beside a span's bytes: its length, and its part in a run.
const BESIDE: usize = 16;

/// What a chunk may have grown to for it to be used again; a usual one holds 256 spans.
const LARGEST: usize = 1 << 20;

impl WrittenSpans {
    /// Calls `visit` for the spans of each run, oldest first.
    pub(super) fn each_run(&self, mut visit: impl FnMut(&InstrumentationScope, &[u8])) {
        let mut from = self.start;
        for run in &self.runs {
            let spans = &self.bytes[from..from + run.bytes];
            visit(run.scope.official(), spans);
            from += run.bytes;
        }
    }
}

impl Store for WrittenSpans {
    type Item<'a> = WrittenSpan<'a>;

    #[inline]
    fn weight(item: &WrittenSpan<'_>) -> usize {
        item.bytes.len() + BESIDE
    }

    fn len(&self) -> usize {
        self.lengths.len() + self.counted
    }

    #[inline]
    fn push(&mut self, item: WrittenSpan<'_>) {
        self.bytes.extend_from_slice(item.bytes);
        self.lengths.push_back(item.bytes.len());
        match self.runs.back_mut() {
            Some(run) if run.scope.is(item.scope) => {
                run.spans += 1;
                run.bytes += item.bytes.len();
            }
            _ => self.runs.push_back(Run {
                scope: item.scope.clone(),
                spans: 1,
                bytes: item.bytes.len(),
            }),
        }
    }

    fn move_oldest(&mut self, other: &mut Self) -> Option<usize> {
        let len = self.lengths.pop_front()?;
        self.start += len;
        if let Some(run) = self.runs.front_mut() {
            run.spans -= 1;
            run.bytes -= len;
            if run.spans == 0 {
                self.runs.pop_front();
            }
        }
        other.counted += 1;
        Some(len + BESIDE)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > LARGEST {
            self.bytes = Vec::new();
        }
        self.start = 0;
        self.lengths.clear();
        self.runs.clear();
        self.counted = 0;
    }
}
