//! Where the SDK's spans are counted: in front of the queue, so that nothing which is dropped there is missed.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::extensions::simd::{Aggregator, nanos_between};

/// The processor of the queue, if there is one, and the count of what comes by. One processor, not two: the
/// SDK copies spans for each but the last.
#[derive(Debug)]
pub(in crate::pipeline) struct Counted<P> {
    red: Arc<Aggregator>,
    queue: Option<P>,
}

impl<P> Counted<P> {
    pub(in crate::pipeline) const fn new(red: Arc<Aggregator>, queue: Option<P>) -> Self {
        Self { red, queue }
    }
}

impl<P: SpanProcessor> SpanProcessor for Counted<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        if let Some(queue) = &self.queue {
            queue.on_start(span, cx);
        }
    }

    fn on_end(&self, span: SpanData) {
        self.red.count(
            span.name.clone(),
            &span.span_kind,
            (&span.status).into(),
            nanos_between(span.start_time, span.end_time),
        );
        // It takes sampled ones only.
        if let Some(queue) = &self.queue {
            queue.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.as_ref().map_or(Ok(()), P::force_flush)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        match &self.queue {
            Some(queue) => queue.shutdown_with_timeout(timeout),
            None => Ok(()),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(queue) = &mut self.queue {
            queue.set_resource(resource);
        }
    }
}
