//! How the SDK is brought to show the spans that its sampler drops: they are recorded, and go no further.

use std::cell::Cell;

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample, SpanData};

/// Marks a span that the sampler has dropped. No span that has it is exported.
const MARK: &str = "otel_enhance.dropped_by_sampler";

thread_local! {
    /// Of the span that this thread started last: the SDK asks the sampler and tells the processors of the
    /// start in one go.
    static LAST_IS_DROPPED: Cell<bool> = const { Cell::new(false) };
}

/// A sampler whose dropped spans are recorded for the metrics.
#[derive(Clone, Debug)]
pub(crate) struct CountingSampler {
    pub(crate) sampler: Box<dyn ShouldSample>,
    /// Whether they have to be told from those that it records without sampling them.
    pub(crate) marks: bool,
}

impl ShouldSample for CountingSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self
            .sampler
            .should_sample(parent, trace_id, name, kind, attributes, links);
        let is_dropped = result.decision == SamplingDecision::Drop;
        if is_dropped {
            result.decision = SamplingDecision::RecordOnly;
            result.attributes.clear();
            if self.marks {
                result.attributes.push(KeyValue::new(MARK, true));
            }
        }
        let _ = LAST_IS_DROPPED.try_with(|last| last.set(is_dropped));
        result
    }
}

/// Whether the span that this thread is starting is one that the sampler has dropped.
pub(crate) fn starts_dropped() -> bool {
    LAST_IS_DROPPED.try_with(Cell::get).unwrap_or(false)
}

/// Whether the sampler has dropped this span.
pub(crate) fn is_dropped(span: &SpanData) -> bool {
    // Spans that are exported need not be looked through.
    !span.span_context.is_sampled()
        && span
            .attributes
            .iter()
            .rev()
            .any(|attribute| attribute.key.as_str() == MARK)
}
