//! What an encoder asks of a span.

use opentelemetry::trace::{
    Event, Link, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::time::unix_nanos;
#[cfg(feature = "ebpf")]
use crate::extensions::ebpf::Rows;

/// A finished span as OTLP sees it, wherever its parts are kept.
///
/// Every method is called once per span and encoder, in the order of OTLP's fields, but for
/// [`scope`](Self::scope), which comes first.
pub(crate) trait EncodeSpan {
    fn scope(&self) -> &InstrumentationScope;
    fn trace_id(&self) -> TraceId;
    fn span_id(&self) -> SpanId;
    fn trace_state(&self) -> &TraceState;
    /// [`SpanId::INVALID`] for a root.
    fn parent_span_id(&self) -> SpanId;
    fn parent_span_is_remote(&self) -> bool;
    fn trace_flags(&self) -> TraceFlags;
    fn name(&self) -> &str;
    fn kind(&self) -> &SpanKind;
    /// Nanoseconds since the Unix epoch.
    fn start_unix_nanos(&self) -> u64;
    /// Nanoseconds since the Unix epoch.
    fn end_unix_nanos(&self) -> u64;
    /// Calls `visit` for each attribute, in order.
    fn attributes<'a>(&'a self, visit: impl FnMut(&'a str, ValueRef<'a>));
    /// Attributes behind those, of which there are several at once.
    #[cfg(feature = "ebpf")]
    #[inline(always)]
    fn rows(&self, _: &mut impl Rows) {}
    fn dropped_attributes_count(&self) -> u32;
    fn events(&self) -> &[Event];
    fn dropped_events_count(&self) -> u32;
    fn links(&self) -> &[Link];
    fn dropped_links_count(&self) -> u32;
    fn status(&self) -> &Status;
}

/// An attribute's value, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueRef<'a> {
    Bool(bool),
    I64(i64),
    F64(f64),
    String(&'a str),
    Array(&'a Array),
    /// A kind of value that this version does not know: it is exported as an empty `AnyValue`.
    Unknown,
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    #[inline(always)]
    fn from(value: &'a Value) -> Self {
        match value {
            Value::String(value) => Self::String(value.as_str()),
            Value::I64(value) => Self::I64(*value),
            Value::Bool(value) => Self::Bool(*value),
            Value::F64(value) => Self::F64(*value),
            Value::Array(value) => Self::Array(value),
            _ => Self::Unknown,
        }
    }
}

/// Calls `visit` for each of `attributes`.
#[inline(always)]
pub(super) fn visit_all<'a>(
    attributes: impl IntoIterator<Item = &'a KeyValue>,
    mut visit: impl FnMut(&'a str, ValueRef<'a>),
) {
    for attribute in attributes {
        visit(attribute.key.as_str(), ValueRef::from(&attribute.value));
    }
}

/// Calls `visit` for each element of an array.
pub(super) fn each_element<'a>(array: &'a Array, mut visit: impl FnMut(ValueRef<'a>)) {
    match array {
        Array::Bool(values) => values
            .iter()
            .for_each(|value| visit(ValueRef::Bool(*value))),
        Array::I64(values) => values.iter().for_each(|value| visit(ValueRef::I64(*value))),
        Array::F64(values) => values.iter().for_each(|value| visit(ValueRef::F64(*value))),
        Array::String(values) => values
            .iter()
            .for_each(|value| visit(ValueRef::String(value.as_str()))),
        _ => {}
    }
}

/// The flags of a span or a link: the trace's, and where the other end is.
#[inline(always)]
pub(super) fn flags(trace_flags: TraceFlags, is_remote: bool) -> u32 {
    /// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`
    const KNOWN: u32 = 0x100;
    /// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`
    const REMOTE: u32 = 0x200;
    u32::from(trace_flags.to_u8()) | KNOWN | if is_remote { REMOTE } else { 0 }
}

/// The number of a kind in OTLP.
#[inline(always)]
pub(super) fn kind_number(kind: &SpanKind) -> u8 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// The number of a status in OTLP, and its message.
#[inline(always)]
pub(super) fn status_parts(status: &Status) -> (u8, &str) {
    match status {
        Status::Unset => (0, ""),
        Status::Ok => (1, ""),
        Status::Error { description } => (2, description),
    }
}

impl EncodeSpan for SpanData {
    fn scope(&self) -> &InstrumentationScope {
        &self.instrumentation_scope
    }

    fn trace_id(&self) -> TraceId {
        self.span_context.trace_id()
    }

    fn span_id(&self) -> SpanId {
        self.span_context.span_id()
    }

    fn trace_state(&self) -> &TraceState {
        self.span_context.trace_state()
    }

    fn parent_span_id(&self) -> SpanId {
        self.parent_span_id
    }

    fn parent_span_is_remote(&self) -> bool {
        self.parent_span_is_remote
    }

    fn trace_flags(&self) -> TraceFlags {
        self.span_context.trace_flags()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &SpanKind {
        &self.span_kind
    }

    fn start_unix_nanos(&self) -> u64 {
        unix_nanos(self.start_time)
    }

    fn end_unix_nanos(&self) -> u64 {
        unix_nanos(self.end_time)
    }

    #[inline(always)]
    fn attributes<'a>(&'a self, visit: impl FnMut(&'a str, ValueRef<'a>)) {
        visit_all(&self.attributes, visit);
    }

    fn dropped_attributes_count(&self) -> u32 {
        self.dropped_attributes_count
    }

    fn events(&self) -> &[Event] {
        &self.events.events
    }

    fn dropped_events_count(&self) -> u32 {
        self.events.dropped_count
    }

    fn links(&self) -> &[Link] {
        &self.links.links
    }

    fn dropped_links_count(&self) -> u32 {
        self.links.dropped_count
    }

    fn status(&self) -> &Status {
        &self.status
    }
}
