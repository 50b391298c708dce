//! What a span weighs: one figure for the bound on memory and for the size of a request.

use opentelemetry::trace::{Event, Link, Status, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// Something that can wait in a [`BatchQueue`](super::queue::BatchQueue).
pub(crate) trait Weigh {
    /// Bytes that it holds in memory or takes in OTLP, whichever is more. It must not change while
    /// the item waits.
    fn weight(&self) -> usize;
}

/// What the allocator keeps beside each block.
const BLOCK: usize = 16;

/// An element of an array: tags, lengths and a varint of ten bytes are more than the number itself.
const ELEMENT: usize = 16;

impl Weigh for SpanData {
    fn weight(&self) -> usize {
        let mut bytes = size_of::<Self>()
            + text(&self.name)
            + attributes(&self.attributes)
            + trace_state(self.span_context.trace_state())
            + scope(&self.instrumentation_scope);
        bytes += status(&self.status) + events(&self.events.events);
        bytes + links(&self.links.links)
    }
}

pub(super) fn status(status: &Status) -> usize {
    match status {
        Status::Error { description } => text(description),
        _ => 0,
    }
}

pub(super) fn events(events: &Vec<Event>) -> usize {
    if events.is_empty() {
        return 0;
    }
    BLOCK + events.capacity() * size_of::<Event>() + events.iter().map(event).sum::<usize>()
}

pub(super) fn links(links: &Vec<Link>) -> usize {
    if links.is_empty() {
        return 0;
    }
    BLOCK + links.capacity() * size_of::<Link>() + links.iter().map(link).sum::<usize>()
}

/// Static text takes no memory, but it travels.
pub(super) fn text(text: &str) -> usize {
    BLOCK + text.len()
}

pub(super) fn attributes(attributes: &Vec<KeyValue>) -> usize {
    let own = attributes.capacity() * size_of::<KeyValue>();
    let values = attributes.iter().map(attribute).sum::<usize>();
    BLOCK + own + values
}

pub(super) fn attribute(attribute: &KeyValue) -> usize {
    text(attribute.key.as_str()) + value(&attribute.value)
}

pub(super) fn value(value: &Value) -> usize {
    match value {
        Value::Bool(_) | Value::I64(_) | Value::F64(_) => 0,
        Value::String(string) => text(string.as_str()),
        Value::Array(array) => {
            BLOCK
                + match array {
                    Array::Bool(values) => values.len() * ELEMENT,
                    Array::I64(values) => values.len() * ELEMENT,
                    Array::F64(values) => values.len() * ELEMENT,
                    Array::String(values) => values
                        .iter()
                        .map(|value| size_of::<String>() + text(value.as_str()))
                        .sum(),
                    // A kind that a later version of the API adds.
                    _ => ELEMENT,
                }
        }
        _ => ELEMENT,
    }
}

fn event(event: &Event) -> usize {
    text(&event.name) + attributes(&event.attributes)
}

fn link(link: &Link) -> usize {
    attributes(&link.attributes) + trace_state(link.span_context.trace_state())
}

/// Its entries are two strings each, in a list, and not to be seen but in the header's form.
pub(super) fn trace_state(state: &TraceState) -> usize {
    if *state == TraceState::NONE {
        return 0;
    }
    let header = state.header();
    let entries = header.split(',').count();
    header.len() + entries * 2 * (size_of::<String>() + BLOCK)
}

pub(super) fn scope(scope: &InstrumentationScope) -> usize {
    let version = scope.version().map_or(0, text);
    let schema = scope.schema_url().map_or(0, text);
    let attributes: usize = scope
        .attributes()
        .map(|one| size_of::<KeyValue>() + attribute(one))
        .sum();
    text(scope.name()) + version + schema + attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::span;

    #[test]
    fn span_with_more_in_it_weighs_more_by_at_least_that_much() {
        let mut heavy = span("weighed");
        let light = heavy.weight();
        assert!(light >= size_of::<SpanData>());
        heavy.attributes = vec![
            KeyValue::new("key", "v".repeat(1000)),
            KeyValue::new("list", Value::Array(Array::I64(vec![-1; 100]))),
        ];
        heavy.events.events.push(Event::with_name("e".repeat(500)));
        assert!(heavy.weight() >= light + 1000 + 100 * 11 + 500);
    }

    /// The encoded form never outgrows what was counted: else a request could exceed its limit.
    #[cfg(feature = "otlp-http")]
    #[test]
    fn encoded_span_is_never_larger_than_its_weight() {
        use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
        use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
        use prost::Message;

        let mut spans = vec![span(""), span("plain")];
        let mut busy = span("busy");
        busy.attributes = (0..50)
            .map(|n| KeyValue::new(format!("k{n}"), Value::Array(Array::Bool(vec![true; n]))))
            .chain((0..50).map(|n| KeyValue::new("", Value::Array(Array::I64(vec![-1; n])))))
            .chain((0..50).map(|n| KeyValue::new("", Value::Array(Array::F64(vec![-1.5; n])))))
            .chain([KeyValue::new(
                "strings",
                Value::Array(Array::String(vec!["".into(); 100])),
            )])
            .collect();
        busy.attributes.shrink_to_fit();
        spans.push(busy);
        let mut eventful = span("eventful");
        eventful.events.events = vec![Event::with_name(""); 64];
        eventful.links.links = vec![Link::with_context(eventful.span_context.clone()); 64];
        spans.push(eventful);
        for span in spans {
            let weight = span.weight();
            let name = span.name.clone();
            let request = ExportTraceServiceRequest {
                resource_spans: group_spans_by_resource_and_scope(vec![span], &Default::default()),
            };
            let encoded = request.encoded_len();
            assert!(encoded <= weight, "{name}: {encoded} bytes weigh {weight}");
        }
    }
}
