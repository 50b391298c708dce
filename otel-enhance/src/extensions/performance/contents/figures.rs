//! What the span of a record did, as the extension `ebpf` tells it when the span ends.
//!
//! Most spans do nothing but to be on a CPU from begin to end, so that what they did follows from their times: then a
//! mark says so, and what of it was their own, if that is less, stands where their rules stood. Only of the others
//! there is more, in lines of the record that nobody touches else: another core would have to be asked for each.

use opentelemetry_sdk::trace::SpanData;

use super::{Contents, Marks};
use crate::extensions::ebpf::{self, Figures, Found};

/// What a span did, and in how many nanoseconds.
pub(in super::super) struct Did(Option<(Figures, u64)>);

impl Did {
    /// How many attributes that is.
    #[inline(always)]
    pub(in super::super) fn attributes(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |(figures, _)| figures.attributes())
    }

    /// Adds them, for which there is room as a rule.
    #[inline(always)]
    pub(in super::super) fn push_to(&self, span: &mut SpanData) {
        if let Some((figures, nanos)) = &self.0 {
            ebpf::push_all(figures, *nanos, &mut span.attributes);
        }
    }
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
            Found::OnCpu { active, own } => self.was_on_cpu(now, active, own),
            Found::Figures => self.marks.set(Marks::HAS_FIGURES),
        }
    }

    #[inline(always)]
    fn was_on_cpu(&mut self, now: Option<u64>, active: u64, own: u64) {
        // A start that is given says nothing of when it was active.
        let is_from_start = !self.marks.has(Marks::START_IS_GIVEN)
            && now.is_some_and(|now| active == now.saturating_sub(self.time));
        if !is_from_start {
            self.figures = Figures::on_cpu(active, own);
            return self.marks.set(Marks::HAS_FIGURES);
        }
        self.marks.set(Marks::IS_PLAIN);
        if own != active {
            self.set_own(own);
        }
    }

    /// Whether anything is known.
    pub(super) fn has_done(&self) -> bool {
        self.marks.has(Marks::HAS_FIGURES) || self.marks.has(Marks::IS_PLAIN)
    }

    /// What the span did in so many nanoseconds.
    #[inline(always)]
    fn figures(&self, nanos: u64) -> Option<Figures> {
        if self.marks.has(Marks::IS_PLAIN) {
            Some(Figures::on_cpu(nanos, self.own().unwrap_or(nanos)))
        } else {
            self.marks.has(Marks::HAS_FIGURES).then_some(self.figures)
        }
    }

    /// What a span that has ended did.
    #[inline(always)]
    pub(in super::super) fn did(&self) -> Did {
        if !self.has_done() {
            return Did(None);
        }
        let (.., nanos) = self.call();
        Did(self.figures(nanos).map(|figures| (figures, nanos)))
    }

    /// Hands what the span did to `visit`, attribute by attribute.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    #[inline(always)]
    pub(super) fn each_figure(&self, visit: impl FnMut(&'static str, i64)) {
        if let Did(Some((figures, nanos))) = self.did() {
            figures.each(nanos, visit);
        }
    }

    /// Says what the span is called to whoever has samples of it.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    #[inline(always)]
    pub(in super::super) fn note_name(&self) {
        ebpf::note(self.span_id, &self.name);
    }
}
