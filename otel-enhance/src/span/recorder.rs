//! What `err` and `ret` write when a function returns.

use std::fmt::{Debug, Display};

use opentelemetry::trace::{SpanRef, Status};
use opentelemetry::{KeyValue, Value};

use super::value::AttributeValue;
#[cfg(feature = "performance")]
use crate::extensions::performance::SpanHandle;

/// The span of a function that has returned, not ended yet.
///
/// Whatever is the user's code (`Display`, `Debug`, `AttributeValue`) runs before the span is written
/// to: it may start spans of its own, or write to this one.
#[derive(Debug)]
pub struct Recorder<'a>(Target<'a>);

#[derive(Debug)]
enum Target<'a> {
    Official(&'a SpanRef<'a>),
    #[cfg(feature = "performance")]
    Fast(&'a SpanHandle),
}

const RETURN: &str = "return";

impl<'a> Recorder<'a> {
    pub(crate) const fn new(span: &'a SpanRef<'a>) -> Self {
        Self(Target::Official(span))
    }

    #[cfg(feature = "performance")]
    pub(crate) const fn of_handle(span: &'a SpanHandle) -> Self {
        Self(Target::Fast(span))
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
        let attribute = KeyValue::new(RETURN, value);
        match self.0 {
            Target::Official(span) => span.set_attribute(attribute),
            #[cfg(feature = "performance")]
            Target::Fast(span) => span.set_attribute(attribute),
        }
    }

    fn error(&self, message: String, error_type: &'static str, exception_event: bool) {
        match self.0 {
            Target::Official(span) => error(span, message, error_type, exception_event),
            #[cfg(feature = "performance")]
            Target::Fast(span) => error(span, message, error_type, exception_event),
        }
    }
}

/// A span as it is written to here: an official reference, or a handle of the fast path.
pub(crate) trait Written {
    fn set_attribute(&self, attribute: KeyValue);
    fn add_event(&self, name: &'static str, attributes: Vec<KeyValue>);
    fn set_status(&self, status: Status);
}

impl Written for SpanRef<'_> {
    fn set_attribute(&self, attribute: KeyValue) {
        SpanRef::set_attribute(self, attribute);
    }

    fn add_event(&self, name: &'static str, attributes: Vec<KeyValue>) {
        SpanRef::add_event(self, name, attributes);
    }

    fn set_status(&self, status: Status) {
        SpanRef::set_status(self, status);
    }
}

fn error(span: &impl Written, message: String, error_type: &'static str, exception_event: bool) {
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

/// What a span is told when its function unwinds.
#[cold]
pub(crate) fn record_panic(span: &impl Written) {
    span.set_attribute(KeyValue::new("error.type", "panic"));
    span.set_status(Status::error("panicked"));
}

/// What a span is told when its future is dropped before it has finished.
#[cold]
pub(crate) fn record_cancelled(span: &SpanRef<'_>) {
    span.set_attribute(KeyValue::new("otel_enhance.cancelled", true));
}
