//! What `err` and `ret` write when a function returns.

use std::fmt::{Debug, Display};

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanRef, Status};

use super::value::AttributeValue;

/// The span of a function that has returned, not ended yet.
#[derive(Debug)]
pub struct Recorder<'a>(pub(crate) SpanRef<'a>);

const RETURN: &str = "return";

impl Recorder<'_> {
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
            self.0.set_attribute(KeyValue::new(RETURN, value));
        }
    }

    /// `ret(Display)`
    pub fn ret_display(&self, value: &dyn Display) {
        self.0
            .set_attribute(KeyValue::new(RETURN, value.to_string()));
    }

    /// `ret(Debug)`
    pub fn ret_debug(&self, value: &dyn Debug) {
        self.0
            .set_attribute(KeyValue::new(RETURN, format!("{value:?}")));
    }

    fn error(&self, message: String, error_type: &'static str, exception_event: bool) {
        self.0
            .set_attribute(KeyValue::new("error.type", error_type));
        if exception_event {
            let attributes = vec![
                KeyValue::new("exception.type", error_type),
                KeyValue::new("exception.message", message.clone()),
            ];
            self.0.add_event("exception", attributes);
        }
        self.0.set_status(Status::error(message));
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
