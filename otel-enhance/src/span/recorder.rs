//! What `err` and `ret` write when a function returns.

use std::fmt::{Debug, Display};

use opentelemetry::trace::{SpanId, SpanRef, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue, Value};

use super::value::AttributeValue;

/// The span of a function that has returned, not ended yet.
///
/// Whatever is the user's code (`Display`, `Debug`, `AttributeValue`) runs before the span is looked
/// up: it may start spans of its own, which attach contexts, and the official context stack cannot
/// be changed while one of its contexts is looked at.
#[derive(Debug)]
pub struct Recorder<'a>(Place<'a>);

/// Where the span is found.
#[derive(Debug)]
enum Place<'a> {
    /// It is the active one, if that has this id (its lower half).
    Active(u32),
    In(&'a Context),
}

const RETURN: &str = "return";

impl<'a> Recorder<'a> {
    pub(crate) const fn active(id: u32) -> Self {
        Self(Place::Active(id))
    }

    pub(crate) const fn of(context: &'a Context) -> Self {
        Self(Place::In(context))
    }

    fn with_span(&self, f: impl FnOnce(SpanRef<'_>)) {
        match self.0 {
            Place::Active(id) => with_active(id, f),
            Place::In(context) => f(context.span()),
        }
    }

    /// `err`, `err(Display)`
    pub fn err_display<T, E: Display>(&self, result: &Result<T, E>, exception_event: bool) {
        if let Err(error) = result {
            self.error(
                error.to_string(),
                std::any::type_name::<E>(),
                exception_event,
            );
        }
    }

    /// `err(Debug)`
    pub fn err_debug<T, E: Debug>(&self, result: &Result<T, E>, exception_event: bool) {
        if let Err(error) = result {
            self.error(
                format!("{error:?}"),
                std::any::type_name::<E>(),
                exception_event,
            );
        }
    }

    /// `ret`
    pub fn ret_value<T: AttributeValue + ?Sized>(&self, value: &T) {
        if let Some(value) = value.to_value() {
            self.returned(value);
        }
    }

    /// `ret(Display)`
    pub fn ret_display(&self, value: &dyn Display) {
        self.returned(value.to_string().into());
    }

    /// `ret(Debug)`
    pub fn ret_debug(&self, value: &dyn Debug) {
        self.returned(format!("{value:?}").into());
    }

    fn returned(&self, value: Value) {
        self.with_span(|span| span.set_attribute(KeyValue::new(RETURN, value)));
    }

    fn error(&self, message: String, error_type: &'static str, exception_event: bool) {
        self.with_span(|span| {
            span.set_attribute(KeyValue::new("error.type", error_type));
            if exception_event {
                let attributes = vec![
                    KeyValue::new("exception.type", error_type),
                    KeyValue::new("exception.message", message.clone()),
                ];
                span.add_event("exception", attributes);
            }
            span.set_status(Status::error(message));
        });
    }
}

/// Calls `f` with the active span, if it is the one of this id. It is, unless the function leaked
/// the guard of a context that it attached itself.
fn with_active(id: u32, f: impl FnOnce(SpanRef<'_>)) {
    Context::map_current(|current| {
        let span = current.span();
        if half(span.span_context().span_id()) == id {
            f(span);
        }
    });
}

/// What tells the spans of one thread apart.
#[inline(always)]
pub(crate) fn half(id: SpanId) -> u32 {
    let [_, _, _, _, lower @ ..] = id.to_bytes();
    u32::from_be_bytes(lower)
}

/// What a span is told when its function unwinds.
#[cold]
pub(crate) fn record_panic(span: &SpanRef<'_>) {
    span.set_attribute(KeyValue::new("error.type", "panic"));
    span.set_status(Status::error("panicked"));
}

/// What a span is told when its future is dropped before it has finished.
#[cold]
pub(crate) fn record_cancelled(span: &SpanRef<'_>) {
    span.set_attribute(KeyValue::new("otel_enhance.cancelled", true));
}
