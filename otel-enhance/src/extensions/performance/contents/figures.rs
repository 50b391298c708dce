//! What the span of a record did, as the extension `ebpf` tells it when the span ends.
//!
//! Most spans do nothing but to be on a CPU while they are active, which is as a rule from begin to end, so that what they
//! did follows from their times: then a mark says so, and what of it was their own, if that is less, stands where their
//! rules stood. If it is not from begin to end, as of a future with several polls, a number or two stand there, and that of
//! the polls beside. Only of the others there is more, in lines of the record that nobody touches else: another core would
//! have to be asked for each.

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanData;

use super::{Contents, Marks};
use crate::extensions::ebpf::{self, Figures, Found, OnCpu};
use crate::fetch;

/// What a span did, and in how many nanoseconds.
pub(in super::super) enum Did {
    Nothing,
    /// It is told apart, for what follows from it is known where it is made.
    OnCpu(OnCpu, u64),
    Figures(Figures, u64),
}

impl Did {
    /// How many attributes that is.
    #[inline(always)]
    pub(in super::super) fn attributes(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::OnCpu(all, _) => all.figures().attributes(),
            Self::Figures(figures, _) => figures.attributes(),
        }
    }

    /// Adds them, for which there is room as a rule.
    #[inline(always)]
    pub(in super::super) fn push_to(&self, span: &mut SpanData) {
        match self {
            Self::Nothing => {}
            Self::OnCpu(all, nanos) => {
                ebpf::push_all(&all.figures(), *nanos, &mut span.attributes);
                fetch_next(&span.attributes);
            }
            Self::Figures(figures, nanos) => push_figures(figures, *nanos, span),
        }
    }
}

/// Fetches memory for the attributes of the next span. Whoever makes many gets it from the allocator behind what he got
/// last, as a rule, and it has left the cache since the last batch.
#[inline(always)]
fn fetch_next(last: &Vec<KeyValue>) {
    const LINES: usize = (ebpf::ATTRIBUTES * size_of::<KeyValue>()).div_ceil(64);
    let behind = last.as_ptr().wrapping_add(last.capacity());
    fetch::lines_to_write(behind, 1..LINES);
}

#[inline(never)]
fn push_figures(figures: &Figures, nanos: u64, span: &mut SpanData) {
    ebpf::push_all(figures, nanos, &mut span.attributes);
}

impl Contents {
    /// Takes down what the span did until now, if that is known by the clock of spans.
    #[inline(always)]
    pub(super) fn account(&mut self, now: Option<u64>) {
        let (trace_id, span_id) = (&self.trace_id, self.span_id);
        let found = match now {
            Some(now) => ebpf::ended_now(trace_id, span_id, now, &mut self.figures),
            None => ebpf::ended(trace_id, span_id, None, &mut self.figures),
        };
        match found {
            Found::Nothing => {}
            Found::OnCpu(all) => self.was_on_cpu(now, all),
            Found::Figures => self.marks.set(Marks::HAS_FIGURES),
        }
    }

    #[inline(always)]
    fn was_on_cpu(&mut self, now: Option<u64>, all: OnCpu) {
        // A start that is given says nothing of when it was active.
        let is_from_start = all.slices == 1
            && !self.marks.has(Marks::START_IS_GIVEN)
            && now.is_some_and(|now| all.active == now.saturating_sub(self.time));
        if is_from_start {
            self.marks.set(Marks::IS_PLAIN);
            if all.own != all.active {
                self.set_own(all.own);
            }
        } else if let (Ok(active), Ok(own)) = (u32::try_from(all.active), u32::try_from(all.own)) {
            self.inline.beside = all.slices;
            self.set_both([active, own]);
        } else {
            self.figures = all.figures();
            self.marks.set(Marks::HAS_FIGURES);
        }
    }

    /// Whether anything is known.
    pub(super) fn has_done(&self) -> bool {
        self.marks.has(Marks::HAS_FIGURES) || self.marks.has_any(Marks::IS_PLAIN, Marks::IS_SHORT)
    }

    /// What a span that has ended did.
    #[inline(always)]
    pub(in super::super) fn did(&self) -> Did {
        if !self.has_done() {
            return Did::Nothing;
        }
        let (.., nanos) = self.call();
        if self.marks.has(Marks::IS_PLAIN) {
            return Did::OnCpu(OnCpu::once(nanos, self.own().unwrap_or(nanos)), nanos);
        }
        match self.both() {
            Some([active, own]) => {
                let all = OnCpu {
                    active: active.into(),
                    own: own.into(),
                    slices: self.inline.beside,
                };
                Did::OnCpu(all, nanos)
            }
            None => Did::Figures(self.figures, nanos),
        }
    }

    /// Hands what the span did to `rows`.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    #[inline(always)]
    pub(super) fn rows(&self, rows: &mut impl ebpf::Rows) {
        match self.did() {
            Did::Nothing => {}
            Did::OnCpu(all, nanos) => all.figures().in_rows(nanos, rows),
            Did::Figures(figures, nanos) => figures.in_rows(nanos, rows),
        }
    }

    /// Says what the span is called to whoever has samples of it.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    #[inline(always)]
    pub(in super::super) fn note_name(&self) {
        ebpf::note(self.span_id, &self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extensions::performance::contents::Written;

    fn attributes(all: OnCpu, nanos: u64) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        ebpf::push_all(&all.figures(), nanos, &mut attributes);
        attributes
    }

    /// A span that took 10 µs, and did this.
    fn ended(all: OnCpu) -> Contents {
        let mut contents = Contents::vacant();
        (contents.start, contents.time) = (1_000, 5_000);
        contents.was_on_cpu(Some(15_000), all);
        contents.time = 11_000;
        contents
    }

    #[test]
    fn span_on_a_cpu_has_what_it_did_wherever_that_is_kept() {
        const LONG: u64 = 1 << 33;
        let marks = [Marks::IS_PLAIN, Marks::IS_SHORT, Marks::HAS_FIGURES];
        for (active, own, slices, kept) in [
            (10_000, 10_000, 1, 0),
            (10_000, 4_000, 1, 0),
            (7_000, 7_000, 1, 1),
            (7_000, 4_000, 3, 1),
            (10_000, 10_000, 2, 1),
            (LONG, LONG, 2, 2),
            (LONG, 7, u32::MAX, 2),
        ] {
            let all = OnCpu {
                active,
                own,
                slices,
            };
            let mut contents = ended(all);
            assert!(contents.has_done(), "{all:?}");
            let is_kept = marks.map(|mark| contents.marks.has(mark));
            let expected: [bool; 3] = std::array::from_fn(|at| at == kept);
            assert_eq!(is_kept, expected, "{all:?}");
            if contents.marks.has_any(Marks::HAS_OWN, Marks::IS_SHORT) {
                // What stands in the place of the rules is not taken for them.
                assert_eq!(contents.rules().limits.max_attributes_per_span, 0);
            }
            let span = contents.take(|_, slot| Written::of(slot, Default::default()));
            assert_eq!(span.attributes, attributes(all, 10_000), "{all:?}");
        }
    }

    #[test]
    fn span_of_a_given_start_does_not_take_its_length_for_what_it_did() {
        let mut contents = Contents::vacant();
        (contents.start, contents.time) = (1_000, 5_000);
        contents.marks.set(Marks::START_IS_GIVEN);
        let all = OnCpu::once(10_000, 10_000);
        contents.was_on_cpu(Some(15_000), all);
        assert!(!contents.marks.has(Marks::IS_PLAIN));
        contents.time = 900_000;
        let span = contents.take(|_, slot| Written::of(slot, Default::default()));
        assert_eq!(span.attributes, attributes(all, 899_000));
    }
}
