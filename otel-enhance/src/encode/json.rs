//! Spans as OTLP/JSON: what the official messages say through serde, on one line, field by field.
//!
//! Fields with default values are present, as there. One thing is put right: numbers that are none are
//! the texts that protobuf's JSON prescribes, where serde writes `null`.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use std::io::Write;

use opentelemetry::trace::{Event, Link, SpanId, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use otel_enhance_kernels::hex;

use super::batch::{Format, Frame};
use super::buffer::Buffer;
use super::cursor::{Cursor, written};
use super::span::{
    EncodeSpan, ValueRef, each_element, flags, kind_number, status_parts, visit_all,
};
use super::text::{put_escaped, put_integer, put_text, put_text_between, put_unsigned};
use super::time::unix_nanos;

/// The format.
#[derive(Debug, Default)]
pub(crate) struct Json;

impl Format for Json {
    const SEPARATOR: usize = 1;

    fn resource(resource: &Resource) -> Frame {
        let head = written(|out| {
            out.put_slice(br#"{"resourceSpans":[{"resource":{"attributes":["#);
            let mut list = List::default();
            for (key, value) in resource {
                list.put_attribute(out, key.as_str(), value.into());
            }
            out.put_slice(br#"],"droppedAttributesCount":0,"entityRefs":[]},"scopeSpans":["#);
        });
        frame(head, resource.schema_url(), b"}]}")
    }

    fn scope(scope: &InstrumentationScope) -> Frame {
        let head = written(|out| {
            out.put_slice(br#"{"scope":{"name":"#);
            put_text(out, scope.name());
            out.put_slice(br#","version":"#);
            put_text(out, scope.version().unwrap_or_default());
            put_attributes(out, scope.attributes());
            out.put_slice(br#","droppedAttributesCount":0},"spans":["#);
        });
        frame(head, scope.schema_url(), b"}")
    }

    fn scope_len(scope: &Frame, spans: usize) -> usize {
        scope.len() + spans
    }

    fn open_request(out: &mut Cursor<'_>, resource: &Frame, _scopes: usize) {
        out.put_slice(&resource.head);
    }

    fn close_request(out: &mut Cursor<'_>, resource: &Frame) {
        out.put_slice(&resource.tail);
    }

    fn open_scope(out: &mut Cursor<'_>, scope: &Frame, _spans: usize, first: bool) {
        if !first {
            out.put_byte(b',');
        }
        out.put_slice(&scope.head);
    }

    fn close_scope(out: &mut Cursor<'_>, scope: &Frame) {
        out.put_slice(&scope.tail);
    }

    #[inline]
    fn span<S: EncodeSpan>(&mut self, buffer: &mut Buffer, span: &S) {
        let mut cursor = Cursor::new(buffer);
        let out = &mut cursor;
        put_ids(out, *br#"{"traceId":""#, span.trace_id(), span.span_id());
        put_trace_state(out, span.trace_state());
        if span.parent_span_id() == SpanId::INVALID {
            out.put_array(*br#"","parentSpanId":"","flags":"#);
        } else {
            out.put_array(*br#"","parentSpanId":""#);
            out.put_array(hex::span_id(&span.parent_span_id().to_bytes()));
            out.put_array(*br#"","flags":"#);
        }
        let flags = flags(span.trace_flags(), span.parent_span_is_remote());
        put_unsigned(out, u64::from(flags));
        put_text_between(out, *br#","name":""#, span.name(), *br#"","kind":"#);
        put_unsigned(out, u64::from(kind_number(span.kind())));
        out.put_array(*br#","startTimeUnixNano":""#);
        put_unsigned(out, span.start_unix_nanos());
        out.put_array(*br#"","endTimeUnixNano":""#);
        put_unsigned(out, span.end_unix_nanos());
        out.put_array(*br#"","attributes":["#);
        let mut list = List::default();
        span.attributes(|key, value| list.put_attribute(out, key, value));
        #[cfg(feature = "ebpf")]
        span.rows(&mut super::rows::Each(|key, value| {
            list.put_attribute(out, key, value);
        }));
        let (events, links) = (span.events(), span.links());
        let dropped = Dropped {
            attributes: span.dropped_attributes_count(),
            events: span.dropped_events_count(),
            links: span.dropped_links_count(),
        };
        if events.is_empty() && links.is_empty() && dropped == Dropped::default() {
            out.put_array(
                *br#"],"droppedAttributesCount":0,"events":[],"droppedEventsCount":0,"links":[],"droppedLinksCount":0"#,
            );
        } else {
            out.apart(|out| put_events_and_links(out, events, links, &dropped));
        }
        match status_parts(span.status()) {
            (0, _) => out.put_array(*br#","status":{"message":"","code":0}},"#),
            (code, message) => {
                out.put_array(*br#","status":{"message":"#);
                out.apart(|out| put_text(out, message));
                put_count(out, *br#","code":"#, u32::from(code));
                out.put_array(*b"}},");
            }
        }
        cursor.finish();
    }
}

/// What a span had no room for.
#[derive(Default, PartialEq)]
struct Dropped {
    attributes: u32,
    events: u32,
    links: u32,
}

/// From the end of the attributes on.
#[inline(never)]
fn put_events_and_links(out: &mut Cursor<'_>, events: &[Event], links: &[Link], dropped: &Dropped) {
    put_count(out, *br#"],"droppedAttributesCount":"#, dropped.attributes);
    out.put_array(*br#","events":["#);
    let mut list = List::default();
    for event in events {
        list.next(out);
        put_event(out, event);
    }
    put_count(out, *br#"],"droppedEventsCount":"#, dropped.events);
    out.put_array(*br#","links":["#);
    let mut list = List::default();
    for link in links {
        list.next(out);
        put_link(out, link);
    }
    put_count(out, *br#"],"droppedLinksCount":"#, dropped.links);
}

fn frame(head: Box<[u8]>, schema_url: Option<&str>, end: &[u8]) -> Frame {
    let tail = written(|out| {
        out.put_slice(br#"],"schemaUrl":"#);
        put_text(out, schema_url.unwrap_or_default());
        out.put_slice(end);
    });
    Frame { head, tail }
}

fn put_event(out: &mut Cursor<'_>, event: &Event) {
    out.put_array(*br#"{"timeUnixNano":""#);
    put_unsigned(out, unix_nanos(event.timestamp));
    put_text_between(out, *br#"","name":""#, &event.name, *b"\"");
    put_attributes(out, &event.attributes);
    let dropped = event.dropped_attributes_count;
    put_count(out, *br#","droppedAttributesCount":"#, dropped);
    out.put_byte(b'}');
}

fn put_link(out: &mut Cursor<'_>, link: &Link) {
    let context = &link.span_context;
    let (trace_id, span_id) = (context.trace_id(), context.span_id());
    put_ids(out, *br#"{"traceId":""#, trace_id, span_id);
    put_trace_state(out, context.trace_state());
    out.put_byte(b'"');
    put_attributes(out, &link.attributes);
    let dropped = link.dropped_attributes_count;
    put_count(out, *br#","droppedAttributesCount":"#, dropped);
    let flags = flags(context.trace_flags(), context.is_remote());
    put_count(out, *br#","flags":"#, flags);
    out.put_byte(b'}');
}

/// Both ids behind `before`, and the beginning of the trace state.
#[inline(always)]
fn put_ids<const N: usize>(
    out: &mut Cursor<'_>,
    before: [u8; N],
    trace_id: TraceId,
    span_id: SpanId,
) {
    out.put_array(before);
    out.put_array(hex::trace_id(&trace_id.to_bytes()));
    out.put_array(*br#"","spanId":""#);
    out.put_array(hex::span_id(&span_id.to_bytes()));
    out.put_array(*br#"","traceState":""#);
}

#[inline(always)]
fn put_trace_state(out: &mut Cursor<'_>, state: &TraceState) {
    if *state != TraceState::NONE {
        out.apart(|out| put_members(out, state));
    }
}

/// The header's text. Keys and values that come from a header have nothing to escape, others may have.
#[inline(never)]
fn put_members(out: &mut Cursor<'_>, state: &TraceState) {
    for (index, (key, value)) in state.into_iter().enumerate() {
        if index > 0 {
            out.put_byte(b',');
        }
        put_escaped(out, key);
        out.put_byte(b'=');
        put_escaped(out, value);
    }
}

#[inline(always)]
fn put_count<const N: usize>(out: &mut Cursor<'_>, field: [u8; N], count: u32) {
    out.put_array(field);
    put_unsigned(out, u64::from(count));
}

fn put_attributes<'a>(out: &mut Cursor<'_>, attributes: impl IntoIterator<Item = &'a KeyValue>) {
    out.put_array(*br#","attributes":["#);
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
    #[inline(always)]
    fn next(&mut self, out: &mut Cursor<'_>) {
        if self.begun {
            out.put_byte(b',');
        }
        self.begun = true;
    }

    #[inline(always)]
    fn put_attribute(&mut self, out: &mut Cursor<'_>, key: &str, value: ValueRef<'_>) {
        self.next(out);
        put_text_between(out, *br#"{"key":""#, key, *br#"","value":{"#);
        match value {
            ValueRef::String(text) => {
                put_text_between(out, *br#""stringValue":""#, text, *br#""}}"#);
            }
            ValueRef::I64(value) => {
                out.put_array(*br#""intValue":""#);
                put_integer(out, value);
                out.put_array(*br#""}}"#);
            }
            value => {
                out.apart(|out| put_value(out, value));
                out.put_array(*b"}}");
            }
        }
    }
}

/// What is between the braces of an `AnyValue`.
#[inline(never)]
fn put_value(out: &mut Cursor<'_>, value: ValueRef<'_>) {
    match value {
        ValueRef::String(text) => {
            put_text_between(out, *br#""stringValue":""#, text, *b"\"");
        }
        ValueRef::I64(value) => {
            out.put_array(*br#""intValue":""#);
            put_integer(out, value);
            out.put_byte(b'"');
        }
        ValueRef::Bool(true) => out.put_array(*br#""boolValue":true"#),
        ValueRef::Bool(false) => out.put_array(*br#""boolValue":false"#),
        ValueRef::F64(value) => {
            out.put_array(*br#""doubleValue":"#);
            put_double(out, value);
        }
        ValueRef::Array(array) => {
            out.put_array(*br#""arrayValue":{"values":["#);
            let mut list = List::default();
            each_element(array, |value| {
                list.next(out);
                out.put_byte(b'{');
                put_value(out, value);
                out.put_byte(b'}');
            });
            out.put_array(*b"]}");
        }
        ValueRef::Unknown => {}
    }
}

fn put_double(out: &mut Cursor<'_>, value: f64) {
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
