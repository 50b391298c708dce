//! A tracer for spans by hand, on whichever path the pipeline's spans are.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{Span, SpanBuilder, SpanContext, Status, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use crate::extensions::performance::{FastSpan, FastTracer};

/// An official tracer for spans written by hand, from
/// [`TelemetryGuard::tracer`](crate::TelemetryGuard::tracer): its spans are those of the extension
/// `performance` where annotated functions have them, and the SDK's elsewhere.
///
/// A quick span is in no box, as those of `global::tracer` are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EnhancedTracer {
    /// Of the extension `performance`.
    Fast(FastTracer),
    /// Of the SDK.
    Sdk(SdkTracer),
}

/// A span of an [`EnhancedTracer`].
#[derive(Debug)]
#[non_exhaustive]
pub enum EnhancedSpan {
    /// Of the extension `performance`.
    Fast(FastSpan),
    /// Of the SDK; in a box, because it is five times as large.
    Sdk(Box<opentelemetry_sdk::trace::Span>),
}

impl Tracer for EnhancedTracer {
    type Span = EnhancedSpan;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> EnhancedSpan {
        match self {
            Self::Fast(tracer) => EnhancedSpan::Fast(tracer.build_with_context(builder, parent)),
            Self::Sdk(tracer) => {
                EnhancedSpan::Sdk(Box::new(tracer.build_with_context(builder, parent)))
            }
        }
    }
}

/// The same call on whichever span it is.
macro_rules! either {
    ($self:ident, $span:ident => $call:expr) => {
        match $self {
            EnhancedSpan::Fast($span) => $call,
            EnhancedSpan::Sdk($span) => $call,
        }
    };
}

impl Span for EnhancedSpan {
    fn add_event<T>(&mut self, name: T, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        either!(self, span => span.add_event(name, attributes));
    }

    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        either!(self, span => span.add_event_with_timestamp(name, timestamp, attributes));
    }

    fn span_context(&self) -> &SpanContext {
        either!(self, span => span.span_context())
    }

    fn is_recording(&self) -> bool {
        either!(self, span => span.is_recording())
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        either!(self, span => span.set_attribute(attribute));
    }

    fn set_status(&mut self, status: Status) {
        either!(self, span => span.set_status(status));
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        either!(self, span => span.update_name(new_name));
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        either!(self, span => span.add_link(span_context, attributes));
    }

    fn end(&mut self) {
        either!(self, span => span.end());
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        either!(self, span => span.end_with_timestamp(timestamp));
    }
}
