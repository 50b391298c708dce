//! Spans as OTLP protobuf, byte for byte as `opentelemetry-proto` and prost write them: fields in the
//! order of their numbers, defaults left out, lengths in as few bytes as they need.
//!
//! Field numbers are those of `opentelemetry/proto/trace/v1/trace.proto` and `common/v1/common.proto`.

use opentelemetry::trace::{Event, Link, SpanId, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;

use super::batch::{Format, Frame};
use super::buffer::Buffer;
use super::cursor::{Cursor, written};
#[cfg(feature = "ebpf")]
use super::rows::WrittenRows;
use super::span::{
    EncodeSpan, ValueRef, each_element, flags, kind_number, status_parts, visit_all,
};
use super::time::unix_nanos;
use super::wire::{
    Open, field_len, put_count, put_fixed64, put_header, put_string, put_varint, short_varint,
    varint_len,
};

/// The format, and the widths of lengths that it expects.
#[derive(Debug)]
pub(crate) struct Protobuf {
    span_width: usize,
    event_width: usize,
    link_width: usize,
    #[cfg(feature = "ebpf")]
    rows: WrittenRows,
}

/// The tag of a span's attributes.
pub(super) const ATTRIBUTE: u8 = 0x4A;

impl Default for Protobuf {
    fn default() -> Self {
        Self {
            span_width: 2,
            event_width: 1,
            link_width: 1,
            #[cfg(feature = "ebpf")]
            rows: WrittenRows::default(),
        }
    }
}

impl Format for Protobuf {
    const SEPARATOR: usize = 0;

    fn resource(resource: &Resource) -> Frame {
        let message = written(|out| {
            for (key, value) in resource {
                put_attribute(out, 0x0A, key.as_str(), value.into());
            }
        });
        frame(&message, resource.schema_url())
    }

    fn scope(scope: &InstrumentationScope) -> Frame {
        let message = written(|out| {
            put_string(out, 0x0A, scope.name());
            put_string(out, 0x12, scope.version().unwrap_or_default());
            put_attributes(out, 0x1A, scope.attributes());
        });
        frame(&message, scope.schema_url())
    }

    fn scope_len(scope: &Frame, spans: usize) -> usize {
        field_len(scope.len() + spans)
    }

    fn open_request(out: &mut Cursor<'_>, resource: &Frame, scopes: usize) {
        put_header(out, 0x0A, resource.len() + scopes);
        out.put_slice(&resource.head);
    }

    fn close_request(out: &mut Cursor<'_>, resource: &Frame) {
        out.put_slice(&resource.tail);
    }

    fn open_scope(out: &mut Cursor<'_>, scope: &Frame, spans: usize, _first: bool) {
        put_header(out, 0x12, scope.len() + spans);
        out.put_slice(&scope.head);
    }

    fn close_scope(out: &mut Cursor<'_>, scope: &Frame) {
        out.put_slice(&scope.tail);
    }

    #[inline]
    fn span<S: EncodeSpan>(&mut self, buffer: &mut Buffer, span: &S) {
        let mut cursor = Cursor::new(buffer);
        let out = &mut cursor;
        let open = Open::new(out, 0x12, self.span_width);
        if *span.trace_state() == TraceState::NONE {
            put_ids(out, span.trace_id(), span.span_id(), span.parent_span_id());
        } else {
            put_ids(out, span.trace_id(), span.span_id(), SpanId::INVALID);
            out.apart(|out| put_trace_state(out, span.trace_state()));
            put_parent(out, span.parent_span_id());
        }
        put_name_kind_and_times(
            out,
            span.name(),
            kind_number(span.kind()),
            span.start_unix_nanos(),
            span.end_unix_nanos(),
        );
        span.attributes(|key, value| put_attribute(out, ATTRIBUTE, key, value));
        #[cfg(feature = "ebpf")]
        span.rows(&mut self.rows.put(out));
        put_count(out, 0x50, span.dropped_attributes_count());
        let events = span.events();
        if !events.is_empty() {
            self.event_width = out.apart(|out| put_events(out, events, self.event_width));
        }
        put_count(out, 0x60, span.dropped_events_count());
        let links = span.links();
        if !links.is_empty() {
            self.link_width = out.apart(|out| put_links(out, links, self.link_width));
        }
        put_count(out, 0x70, span.dropped_links_count());
        let [a, b, c, d] = flags(span.trace_flags(), span.parent_span_is_remote()).to_le_bytes();
        match status_parts(span.status()) {
            // Present, and empty.
            (0, _) => out.put_array([0x7A, 0, 0x85, 0x01, a, b, c, d]),
            (code, message) => {
                out.apart(|out| put_status(out, code, message));
                out.put_array([0x85, 0x01, a, b, c, d]);
            }
        }
        self.span_width = open.close(out);
        cursor.finish();
    }
}

/// Returns the width of the last one's length, and is given a guess.
#[inline(never)]
fn put_events(out: &mut Cursor<'_>, events: &[Event], mut width: usize) -> usize {
    for event in events {
        let open = Open::new(out, 0x5A, width);
        put_fixed64(out, 0x09, unix_nanos(event.timestamp));
        put_string(out, 0x12, &event.name);
        put_attributes(out, 0x1A, &event.attributes);
        put_count(out, 0x20, event.dropped_attributes_count);
        width = open.close(out);
    }
    width
}

/// As [`put_events`].
#[inline(never)]
fn put_links(out: &mut Cursor<'_>, links: &[Link], mut width: usize) -> usize {
    for link in links {
        let context = &link.span_context;
        let open = Open::new(out, 0x6A, width);
        put_ids(out, context.trace_id(), context.span_id(), SpanId::INVALID);
        put_trace_state(out, context.trace_state());
        put_attributes(out, 0x22, &link.attributes);
        put_count(out, 0x28, link.dropped_attributes_count);
        let [a, b, c, d] = flags(context.trace_flags(), context.is_remote()).to_le_bytes();
        out.put_array([0x35, a, b, c, d]);
        width = open.close(out);
    }
    width
}

/// A message as field 1, and the schema URL of what it heads as field 3.
fn frame(message: &[u8], schema_url: Option<&str>) -> Frame {
    Frame {
        head: written(|out| {
            put_header(out, 0x0A, message.len());
            out.put_slice(message);
        }),
        tail: written(|out| put_string(out, 0x1A, schema_url.unwrap_or_default())),
    }
}

/// The two ids are written whether they are valid or not, the parent if it is.
#[inline(always)]
fn put_ids(out: &mut Cursor<'_>, trace_id: TraceId, span_id: SpanId, parent: SpanId) {
    out.put_block(|ids: &mut [u8; 38]| {
        ids[..2].copy_from_slice(&[0x0A, 16]);
        ids[2..18].copy_from_slice(&trace_id.to_bytes());
        ids[18..20].copy_from_slice(&[0x12, 8]);
        ids[20..28].copy_from_slice(&span_id.to_bytes());
        ids[28..30].copy_from_slice(&[0x22, 8]);
        ids[30..].copy_from_slice(&parent.to_bytes());
        if parent == SpanId::INVALID { 28 } else { 38 }
    });
}

#[inline(always)]
fn put_parent(out: &mut Cursor<'_>, parent: SpanId) {
    if parent != SpanId::INVALID {
        let [a, b, c, d, e, f, g, h] = parent.to_bytes();
        out.put_array([0x22, 8, a, b, c, d, e, f, g, h]);
    }
}

#[inline(always)]
fn put_name_kind_and_times(out: &mut Cursor<'_>, name: &str, kind: u8, start: u64, end: u64) {
    let len = name.len();
    if len == 0 || len >= 0x80 || start == 0 || end == 0 {
        put_string(out, 0x2A, name);
        out.put_array([0x30, kind]);
        put_fixed64(out, 0x39, start);
        put_fixed64(out, 0x41, end);
        return;
    }
    let mut fields = [0; 20];
    fields[..3].copy_from_slice(&[0x30, kind, 0x39]);
    fields[3..11].copy_from_slice(&start.to_le_bytes());
    fields[11] = 0x41;
    fields[12..].copy_from_slice(&end.to_le_bytes());
    out.put_ending([0x2A, len as u8], name.as_bytes(), fields, fields.len());
}

/// The header's text, as `TraceState::header` makes it.
fn put_trace_state(out: &mut Cursor<'_>, state: &TraceState) {
    if state.into_iter().len() > 0 {
        put_members(out, state);
    }
}

#[inline(never)]
fn put_members(out: &mut Cursor<'_>, state: &TraceState) {
    let open = Open::new(out, 0x1A, 1);
    for (index, (key, value)) in state.into_iter().enumerate() {
        if index > 0 {
            out.put_byte(b',');
        }
        out.put_slice(key.as_bytes());
        out.put_byte(b'=');
        out.put_slice(value.as_bytes());
    }
    open.close(out);
}

#[inline(never)]
fn put_status(out: &mut Cursor<'_>, code: u8, message: &str) {
    let text = if message.is_empty() {
        0
    } else {
        field_len(message.len())
    };
    put_header(out, 0x7A, text + 2);
    put_string(out, 0x12, message);
    out.put_array([0x18, code]);
}

fn put_attributes<'a>(
    out: &mut Cursor<'_>,
    tag: u8,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) {
    visit_all(attributes, |key, value| put_attribute(out, tag, key, value));
}

/// A `KeyValue` as a field with this tag.
#[inline(always)]
pub(super) fn put_attribute(out: &mut Cursor<'_>, tag: u8, key: &str, value: ValueRef<'_>) {
    let key = key.as_bytes();
    // The usual sizes, in which every length fits one byte, are written in one go.
    let written = match value {
        ValueRef::String(text) => put_short_text(out, tag, key, text.as_bytes()),
        ValueRef::I64(value @ 0..0x0100_0000_0000_0000) => {
            let (varint, len) = short_varint(value.cast_unsigned());
            put_scalar(out, tag, key, 0x18, varint, len)
        }
        ValueRef::F64(value) => put_scalar(out, tag, key, 0x21, value.to_bits(), 8),
        ValueRef::Bool(value) => put_scalar(out, tag, key, 0x10, u64::from(value), 1),
        _ => false,
    };
    if !written {
        out.apart(|out| put_any_attribute(out, tag, key, value));
    }
}

/// A `KeyValue` with a text; or nothing, if a length needs more than a byte.
#[inline(always)]
fn put_short_text(out: &mut Cursor<'_>, tag: u8, key: &[u8], text: &[u8]) -> bool {
    // What stands around key and text within the field.
    const AROUND: usize = 6;
    if key.is_empty() || key.len() + text.len() >= 0x80 - AROUND {
        return false;
    }
    let (key_len, len) = (key.len() as u8, text.len() as u8);
    out.put_two(
        [tag, key_len + len + AROUND as u8, 0x0A, key_len],
        key,
        [0x12, len + 2, 0x0A, len],
        text,
    );
    true
}

/// A `KeyValue` whose value is so many bytes of `bits`; or nothing, if a length needs more than a byte.
#[inline(always)]
fn put_scalar(
    out: &mut Cursor<'_>,
    tag: u8,
    key: &[u8],
    value_tag: u8,
    bits: u64,
    len: usize,
) -> bool {
    // Leaves room for the longest value and what stands around it.
    if key.is_empty() || key.len() >= 0x70 {
        return false;
    }
    let (key_len, len) = (key.len() as u8, len as u8 + 1);
    let value = u128::from(u32::from_le_bytes([0x12, len, value_tag, 0])) | u128::from(bits) << 24;
    out.put_ending(
        [tag, key_len + len + 4, 0x0A, key_len],
        key,
        value.to_le_bytes(),
        usize::from(len) + 2,
    );
    true
}

/// Any `KeyValue`.
#[inline(never)]
fn put_any_attribute(out: &mut Cursor<'_>, tag: u8, key: &[u8], value: ValueRef<'_>) {
    let value_len = any_value_len(value);
    let key_len = if key.is_empty() {
        0
    } else {
        field_len(key.len())
    };
    put_header(out, tag, key_len + field_len(value_len));
    if !key.is_empty() {
        put_header(out, 0x0A, key.len());
        out.put_slice(key);
    }
    put_header(out, 0x12, value_len);
    put_any_value(out, value);
}

/// The bytes of an `AnyValue`, without tag and length of its own.
#[inline(always)]
fn any_value_len(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::String(text) => field_len(text.len()),
        ValueRef::I64(value) => 1 + varint_len(value.cast_unsigned()),
        ValueRef::Bool(_) => 2,
        ValueRef::F64(_) => 9,
        ValueRef::Array(array) => field_len(array_len(array)),
        ValueRef::Unknown => 0,
    }
}

#[inline(always)]
fn put_any_value(out: &mut Cursor<'_>, value: ValueRef<'_>) {
    match value {
        ValueRef::String(text) => {
            put_header(out, 0x0A, text.len());
            out.put_slice(text.as_bytes());
        }
        ValueRef::I64(value) => {
            out.put_byte(0x18);
            put_varint(out, value.cast_unsigned());
        }
        ValueRef::Bool(value) => out.put_array([0x10, u8::from(value)]),
        ValueRef::F64(value) => {
            out.put_byte(0x21);
            out.put_array(value.to_le_bytes());
        }
        ValueRef::Array(array) => put_array(out, array),
        ValueRef::Unknown => {}
    }
}

fn array_len(array: &Array) -> usize {
    let mut len = 0;
    each_element(array, |value| len += field_len(any_value_len(value)));
    len
}

#[inline(never)]
fn put_array(out: &mut Cursor<'_>, array: &Array) {
    put_header(out, 0x2A, array_len(array));
    each_element(array, |value| {
        put_header(out, 0x0A, any_value_len(value));
        put_any_value(out, value);
    });
}
