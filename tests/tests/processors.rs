//! Processors of the user's own, told of spans of annotated functions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use otel_enhance::pipeline::Spans;
use otel_enhance::{enhanced_trace, global, init, new_enhanced_pipeline};
use otel_enhance_tests::alone::alone;

/// Keeps telemetry quiet while it works, as the official API advises.
#[derive(Clone, Debug, Default)]
struct Quiet(Arc<Mutex<Vec<String>>>);

impl SpanProcessor for Quiet {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let _quiet = Context::enter_telemetry_suppressed_scope();
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.push(span.name.into_owned());
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn processor_of_ended_spans_is_told_of_each_on_the_fast_path() {
    alone(
        "processor_of_ended_spans_is_told_of_each_on_the_fast_path",
        &[],
        || {
            let quiet = Quiet::default();
            let guard = new_enhanced_pipeline()
                .with_no_exporter()
                .with_performance()
                .with_end_processor(quiet.clone())
                .install_batch()
                .unwrap();
            assert_eq!(guard.spans(), Spans::Fast);
            outer();
            guard.force_flush().unwrap();
            let names = quiet
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            assert_eq!(names, ["inner", "outer"]);
            // Spans by hand, on the global provider and on the SDK's own.
            global::tracer("by hand").start("boxed").end();
            guard.tracer("by hand").start("fast").end();
            guard.tracer_provider().tracer("by hand").start("sdk").end();
            guard.shutdown().unwrap();
            let mut names = quiet
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            names.sort();
            assert_eq!(names, ["boxed", "fast", "inner", "outer", "sdk"]);
        },
    );
}

#[enhanced_trace(name = "outer")]
fn outer() {
    inner();
}

#[enhanced_trace(name = "inner")]
fn inner() {}

#[test]
fn processor_that_attaches_a_context_when_a_span_ends_is_told_of_each() {
    alone(
        "processor_that_attaches_a_context_when_a_span_ends_is_told_of_each",
        &[],
        || {
            let quiet = Quiet::default();
            let guard = init!(exporter = none, processor = quiet.clone()).unwrap();
            outer();
            guard.shutdown().unwrap();
            let names = quiet.0.lock().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(*names, ["inner", "outer"]);
        },
    );
}
