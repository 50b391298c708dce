//! A record as an encoder reads it.

use opentelemetry::trace::{
    Event, Link, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};

use super::super::attribute::Seen;
use super::{Cold, Contents, Marks};
use crate::encode::{EncodeSpan, ValueRef, unix_nanos};
#[cfg(feature = "ebpf")]
use crate::extensions::ebpf::Rows;
use crate::span::{Code, Scope};

/// What a record has of what most spans do not have.
static NOTHING: Cold = Cold {
    attributes: Vec::new(),
    dropped_attributes: 0,
    events: Vec::new(),
    dropped_events: 0,
    links: Vec::new(),
    dropped_links: 0,
    error: Status::Unset,
    trace_state: TraceState::NONE,
    scope: None,
    start: None,
    end: None,
};

static OK: Status = Status::Ok;

/// A span that has ended, where it lies.
#[derive(Clone, Copy)]
pub(in super::super) struct View<'a> {
    contents: &'a Contents,
    cold: &'a Cold,
    scope: &'a InstrumentationScope,
}

impl Contents {
    /// What encoders see; `scope` is that of [`scope`](Self::scope).
    #[inline(always)]
    pub(in super::super) fn view<'a>(&'a self, scope: &'a InstrumentationScope) -> View<'a> {
        View {
            contents: self,
            cold: self.cold.as_deref().unwrap_or(&NOTHING),
            scope,
        }
    }

    /// The number of the scope, or the scope where it has none.
    #[inline(always)]
    pub(in super::super) fn scope(&self) -> Result<Scope, &InstrumentationScope> {
        match self.cold.as_deref() {
            Some(Cold {
                scope: Some(scope), ..
            }) => Err(scope),
            _ => Ok(self.scope),
        }
    }
}

impl<'a> View<'a> {
    /// Those that limits are about: without what the span did.
    #[inline(always)]
    pub(in super::super) fn given_attributes<'b>(
        &'b self,
        visit: &mut impl FnMut(&'b str, ValueRef<'b>),
    ) {
        let (inline, more) = (self.contents.inline.as_slice(), &self.cold.attributes);
        let inline = inline.iter().map(|attribute| match attribute.seen() {
            Seen::Text(text) => (attribute.key(), ValueRef::String(text)),
            Seen::Value(value) => (attribute.key(), ValueRef::from(value)),
        });
        let more = more
            .iter()
            .map(|attribute| (attribute.key.as_str(), ValueRef::from(&attribute.value)));
        let mut code = self.contents.code;
        let mut left = usize::from(self.contents.code_at);
        for (key, value) in inline.chain(more) {
            if left == 0
                && let Some(code) = code.take()
            {
                visit_code(code, visit);
            }
            left = left.wrapping_sub(1);
            visit(key, value);
        }
        if let Some(code) = code {
            visit_code(code, visit);
        }
    }

    /// The attributes of each event and each link.
    pub(in super::super) fn beside(&self) -> impl Iterator<Item = &'a [KeyValue]> {
        let events = self.cold.events.iter().map(|event| &event.attributes[..]);
        events.chain(self.cold.links.iter().map(|link| &link.attributes[..]))
    }
}

#[inline(always)]
fn visit_code<'a>(code: &'a Code, visit: &mut impl FnMut(&'a str, ValueRef<'a>)) {
    let (function, file, line) = code.parts();
    visit("code.function.name", ValueRef::String(function));
    visit("code.file.path", ValueRef::String(file));
    visit("code.line.number", ValueRef::I64(i64::from(line)));
}

impl EncodeSpan for View<'_> {
    #[inline(always)]
    fn scope(&self) -> &InstrumentationScope {
        self.scope
    }

    #[inline(always)]
    fn trace_id(&self) -> TraceId {
        TraceId::from_bytes(self.contents.trace_id)
    }

    #[inline(always)]
    fn span_id(&self) -> SpanId {
        SpanId::from_bytes(self.contents.span_id)
    }

    #[inline(always)]
    fn trace_state(&self) -> &TraceState {
        &self.cold.trace_state
    }

    #[inline(always)]
    fn parent_span_id(&self) -> SpanId {
        SpanId::from_bytes(self.contents.parent_span_id)
    }

    #[inline(always)]
    fn parent_span_is_remote(&self) -> bool {
        self.contents.marks.has(Marks::PARENT_IS_REMOTE)
    }

    #[inline(always)]
    fn trace_flags(&self) -> TraceFlags {
        self.contents.flags
    }

    #[inline(always)]
    fn name(&self) -> &str {
        &self.contents.name
    }

    #[inline(always)]
    fn kind(&self) -> &SpanKind {
        &self.contents.kind
    }

    #[inline(always)]
    fn start_unix_nanos(&self) -> u64 {
        self.cold.start.map_or(self.contents.start, unix_nanos)
    }

    #[inline(always)]
    fn end_unix_nanos(&self) -> u64 {
        self.cold.end.map_or(self.contents.time, unix_nanos)
    }

    #[inline(always)]
    fn attributes<'a>(&'a self, mut visit: impl FnMut(&'a str, ValueRef<'a>)) {
        self.given_attributes(&mut visit);
    }

    #[cfg(feature = "ebpf")]
    #[inline(always)]
    fn rows(&self, rows: &mut impl Rows) {
        self.contents.rows(rows);
    }

    #[inline(always)]
    fn dropped_attributes_count(&self) -> u32 {
        self.cold.dropped_attributes
    }

    #[inline(always)]
    fn events(&self) -> &[Event] {
        &self.cold.events
    }

    #[inline(always)]
    fn dropped_events_count(&self) -> u32 {
        self.cold.dropped_events
    }

    #[inline(always)]
    fn links(&self) -> &[Link] {
        &self.cold.links
    }

    #[inline(always)]
    fn dropped_links_count(&self) -> u32 {
        self.cold.dropped_links
    }

    #[inline(always)]
    fn status(&self) -> &Status {
        if self.contents.marks.has(Marks::IS_OK) {
            &OK
        } else {
            &self.cold.error
        }
    }
}
