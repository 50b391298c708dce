//! What one span records: name, code attributes, fields, errors, panics, parents.

use opentelemetry::trace::{SpanKind, TraceContextExt as _, get_active_span};
use opentelemetry::{Context, KeyValue};
use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace]
fn plain() -> i32 {
    7
}

#[test]
fn function_called_records_its_path_and_place() {
    let capture = testing::capture();
    assert_eq!(plain(), 7);
    capture
        .assert_span("span_basics::plain")
        .is_root()
        .is_kind(SpanKind::Internal)
        .status_is_unset()
        .has("code.function.name", "span_basics::plain")
        .has("code.file.path", "tests/tests/span_basics.rs")
        .has("code.line.number", 8);
}

#[enhanced_trace(name = "outer")]
fn outer() {
    get_active_span(|span| span.set_attribute(KeyValue::new("written", true)));
    plain();
    let span_id = Context::current().span().span_context().span_id();
    assert_ne!(span_id, opentelemetry::trace::SpanId::INVALID);
}

#[test]
fn function_called_inside_another_nests() {
    let capture = testing::capture();
    outer();
    capture.assert_names(&["span_basics::plain", "outer"]);
    capture.assert_span("outer").has("written", true).is_root();
    capture
        .assert_span("span_basics::plain")
        .is_child_of("outer");
    assert!(!Context::current().has_active_span());
}

#[enhanced_trace(name = "sleepy", capture(n))]
async fn sleepy(n: u64) -> Result<u64, std::fmt::Error> {
    tokio::time::sleep(std::time::Duration::from_millis(n)).await;
    if n > 5 {
        Err(std::fmt::Error)
    } else {
        Ok(n + 1)
    }
}

#[tokio::test]
async fn async_function_awaited_records_once() {
    let capture = testing::capture();
    assert_eq!(sleepy(1).await, Ok(2));
    capture
        .assert_span("sleepy")
        .has("n", 1)
        .is_root()
        .status_is_unset();
}
