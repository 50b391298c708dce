//! Spans as OTLP/JSON: what the official messages say through serde, on one line, field by field.
//!
//! Fields with default values are present, as there. One thing is put right: numbers that are none are
//! the texts that protobuf's JSON prescribes, where serde writes `null`.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use std::io::Write;

use opentelemetry::trace::{Event, Link, SpanId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use otel_enhance_kernels::hex;

use super::batch::{Format, Frame};
use super::buffer::Buffer;
use super::span::{
    EncodeSpan, ValueRef, each_element, flags, kind_number, status_parts, unix_nanos, visit_all,
};
use super::text::{put_escaped, put_integer, put_text, put_unsigned};

/// The format.
#[derive(Debug, Default)]
pub(crate) struct Json;

impl Format for Json {
    const SEPARATOR: usize = 1;

    fn resource(resource: &Resource) -> Frame {
        let mut head = Buffer::default();
        head.put_slice(br#"{"resourceSpans":[{"resource":{"attributes":["#);
        let mut list = List::default();
        for (key, value) in resource {
            list.put_attribute(&mut head, key.as_str(), value.into());
        }
        head.put_slice(br#"],"droppedAttributesCount":0,"entityRefs":[]},"scopeSpans":["#);
        frame(head, resource.schema_url(), b"}]}")
    }

    fn scope(scope: &InstrumentationScope) -> Frame {
        let mut head = Buffer::default();
        head.put_slice(br#"{"scope":{"name":"#);
        put_text(&mut head, scope.name());
        head.put_slice(br#","version":"#);
        put_text(&mut head, scope.version().unwrap_or_default());
        put_attributes(&mut head, scope.attributes());
        head.put_slice(br#","droppedAttributesCount":0},"spans":["#);
        frame(head, scope.schema_url(), b"}")
    }

    fn scope_len(scope: &Frame, spans: usize) -> usize {
        scope.len() + spans
    }

    fn open_request(out: &mut Buffer, resource: &Frame, _scopes: usize) {
        out.put_slice(&resource.head);
    }

    fn close_request(out: &mut Buffer, resource: &Frame) {
        out.put_slice(&resource.tail);
    }

    fn open_scope(out: &mut Buffer, scope: &Frame, _spans: usize, first: bool) {
        if !first {
            out.put_byte(b',');
        }
        out.put_slice(&scope.head);
    }

    fn close_scope(out: &mut Buffer, scope: &Frame) {
        out.put_slice(&scope.tail);
    }

    fn span<S: EncodeSpan>(&mut self, out: &mut Buffer, span: &S) {
        out.put_slice(br#"{"traceId":""#);
        out.put_array(hex::trace_id(&span.trace_id().to_bytes()));
        out.put_slice(br#"","spanId":""#);
        out.put_array(hex::span_id(&span.span_id().to_bytes()));
        out.put_slice(br#"","traceState":"#);
        put_trace_state(out, span.trace_state());
        out.put_slice(br#","parentSpanId":""#);
        if span.parent_span_id() != SpanId::INVALID {
            out.put_array(hex::span_id(&span.parent_span_id().to_bytes()));
        }
        out.put_slice(br#"","flags":"#);
        let flags = flags(span.trace_flags(), span.parent_span_is_remote());
        put_unsigned(out, u64::from(flags));
        out.put_slice(br#","name":"#);
        put_text(out, span.name());
        out.put_slice(br#","kind":"#);
        put_unsigned(out, u64::from(kind_number(span.kind())));
        put_time(out, br#","startTimeUnixNano":""#, span.start_unix_nanos());
        put_time(out, br#","endTimeUnixNano":""#, span.end_unix_nanos());
        out.put_slice(br#","attributes":["#);
        let mut list = List::default();
        span.attributes(|key, value| list.put_attribute(out, key, value));
        out.put_slice(b"]");
        put_count(
            out,
            br#","droppedAttributesCount":"#,
            span.dropped_attributes_count(),
        );
        out.put_slice(br#","events":["#);
        let mut list = List::default();
        for event in span.events() {
            list.next(out);
            put_event(out, event);
        }
        out.put_slice(b"]");
        put_count(
            out,
            br#","droppedEventsCount":"#,
            span.dropped_events_count(),
        );
        out.put_slice(br#","links":["#);
        let mut list = List::default();
        for link in span.links() {
            list.next(out);
            put_link(out, link);
        }
        out.put_slice(b"]");
        put_count(out, br#","droppedLinksCount":"#, span.dropped_links_count());
        let (code, message) = status_parts(span.status());
        out.put_slice(br#","status":{"message":"#);
        put_text(out, message);
        put_count(out, br#","code":"#, u32::from(code));
        out.put_slice(b"}},");
    }
}

fn frame(head: Buffer, schema_url: Option<&str>, end: &[u8]) -> Frame {
    let mut tail = Buffer::default();
    tail.put_slice(br#"],"schemaUrl":"#);
    put_text(&mut tail, schema_url.unwrap_or_default());
    tail.put_slice(end);
    Frame {
        head: head.written().into(),
        tail: tail.written().into(),
    }
}

fn put_event(out: &mut Buffer, event: &Event) {
    put_time(out, br#"{"timeUnixNano":""#, unix_nanos(event.timestamp));
    out.put_slice(br#","name":"#);
    put_text(out, &event.name);
    put_attributes(out, &event.attributes);
    put_count(
        out,
        br#","droppedAttributesCount":"#,
        event.dropped_attributes_count,
    );
    out.put_byte(b'}');
}

fn put_link(out: &mut Buffer, link: &Link) {
    let context = &link.span_context;
    out.put_slice(br#"{"traceId":""#);
    out.put_array(hex::trace_id(&context.trace_id().to_bytes()));
    out.put_slice(br#"","spanId":""#);
    out.put_array(hex::span_id(&context.span_id().to_bytes()));
    out.put_slice(br#"","traceState":"#);
    put_trace_state(out, context.trace_state());
    put_attributes(out, &link.attributes);
    put_count(
        out,
        br#","droppedAttributesCount":"#,
        link.dropped_attributes_count,
    );
    put_count(
        out,
        br#","flags":"#,
        flags(context.trace_flags(), context.is_remote()),
    );
    out.put_byte(b'}');
}

/// The header's text. Keys and values that come from a header have nothing to escape, others may have.
fn put_trace_state(out: &mut Buffer, state: &TraceState) {
    out.put_byte(b'"');
    for (index, (key, value)) in state.into_iter().enumerate() {
        if index > 0 {
            out.put_byte(b',');
        }
        put_escaped(out, key);
        out.put_byte(b'=');
        put_escaped(out, value);
    }
    out.put_byte(b'"');
}

/// A field whose text has been opened, and its end.
fn put_time(out: &mut Buffer, field: &[u8], unix_nanos: u64) {
    out.put_slice(field);
    put_unsigned(out, unix_nanos);
    out.put_byte(b'"');
}

fn put_count(out: &mut Buffer, field: &[u8], count: u32) {
    out.put_slice(field);
    put_unsigned(out, u64::from(count));
}

fn put_attributes<'a>(out: &mut Buffer, attributes: impl IntoIterator<Item = &'a KeyValue>) {
    out.put_slice(br#","attributes":["#);
    let mut list = List::default();
    visit_all(attributes, |key, value| list.put_attribute(out, key, value));
    out.put_byte(b']');
}

/// Where commas go.
#[derive(Default)]
struct List {
    begun: bool,
}

impl List {
    fn next(&mut self, out: &mut Buffer) {
        if self.begun {
            out.put_byte(b',');
        }
        self.begun = true;
    }

    fn put_attribute(&mut self, out: &mut Buffer, key: &str, value: ValueRef<'_>) {
        self.next(out);
        out.put_slice(br#"{"key":"#);
        put_text(out, key);
        out.put_slice(br#","value":"#);
        put_value(out, value);
        out.put_byte(b'}');
    }
}

fn put_value(out: &mut Buffer, value: ValueRef<'_>) {
    match value {
        ValueRef::String(text) => {
            out.put_slice(br#"{"stringValue":"#);
            put_text(out, text);
        }
        ValueRef::I64(value) => {
            out.put_slice(br#"{"intValue":""#);
            put_integer(out, value);
            out.put_byte(b'"');
        }
        ValueRef::Bool(true) => out.put_slice(br#"{"boolValue":true"#),
        ValueRef::Bool(false) => out.put_slice(br#"{"boolValue":false"#),
        ValueRef::F64(value) => {
            out.put_slice(br#"{"doubleValue":"#);
            put_double(out, value);
        }
        ValueRef::Array(array) => {
            out.put_slice(br#"{"arrayValue":{"values":["#);
            let mut list = List::default();
            each_element(array, |value| {
                list.next(out);
                put_value(out, value);
            });
            out.put_slice(b"]}");
        }
        ValueRef::Unknown => out.put_byte(b'{'),
    }
    out.put_byte(b'}');
}

fn put_double(out: &mut Buffer, value: f64) {
    if value.is_nan() {
        out.put_slice(br#""NaN""#);
    } else if value.is_infinite() {
        out.put_slice(if value > 0.0 {
            br#""Infinity""#
        } else {
            br#""-Infinity""#
        });
    } else {
        // The shortest digits that are this number, an exponent where there would be many; all of it
        // is JSON. Writing into a buffer cannot fail.
        let _ = write!(out, "{value:?}");
    }
}
