//! What `err` and `ret` write when a function returns.

use std::fmt::{Debug, Display};

use opentelemetry::trace::{SpanRef, Status};
use opentelemetry::{KeyValue, Value};

use super::value::AttributeValue;

/// The span of a function that has returned, not ended yet.
///
/// Whatever is the user's code (`Display`, `Debug`, `AttributeValue`) runs before the span is written
/// to: it may start spans of its own, or write to this one.
#[derive(Debug)]
pub struct Recorder<'a>(&'a SpanRef<'a>);

const RETURN: &str = "return";

impl<'a> Recorder<'a> {
    pub(crate) const fn new(span: &'a SpanRef<'a>) -> Self {
        Self(span)
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
        self.0.set_attribute(KeyValue::new(RETURN, value));
    }

    fn error(&self, message: String, error_type: &'static str, exception_event: bool) {
        let span = self.0;
        span.set_attribute(KeyValue::new("error.type", error_type));
        if exception_event {
            let attributes = vec![
                KeyValue::new("exception.type", error_type),
                KeyValue::new("exception.message", message.clone()),
            ];
            span.add_event("exception", attributes);
        }
        span.set_status(Status::error(message));
    }
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
