//! Annotated functions and hand-written spans, nested in each other.

use std::sync::Arc;

use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};

use super::super::FastBackend;
use super::{Told, close, provider};
use crate::span::private::{Callsite, SpanKind};

fn callsite(name: &'static str) -> &'static Callsite {
    Box::leak(Box::new(Callsite::new(
        Some(name),
        SpanKind::Server,
        ("crate", Some("1")),
        || "crate::function::Marker",
        Some(("src/file.rs", 7)),
    )))
}

#[test]
fn callsites_on_the_fast_path_nest_with_spans_by_hand() {
    let told = Told::default();
    let provider = provider(&told, None);
    let registration = crate::span::install(Arc::new(FastBackend::new(provider.clone())));
    let tracer = provider.tracer("by hand");

    let outer = callsite("outer").enter();
    let by_hand = Context::current_with_span(tracer.start("by hand")).attach();
    let mut start = callsite("inner").begin(2);
    start.set("number", 1_i64);
    start.set_static("text", "static");
    let inner = start.enter();
    Context::map_current(|current| current.span().set_attribute(KeyValue::new("later", 1.5)));
    drop(inner);
    drop(by_hand);
    drop(outer);
    registration.uninstall();

    let spans = told.take();
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["inner", "by hand", "outer"]);
    let id = |at: usize| spans[at].span_context.span_id();
    assert_eq!(spans[0].parent_span_id, id(1));
    assert_eq!(spans[1].parent_span_id, id(2));
    let inner = &spans[0];
    assert_eq!(
        inner.attributes,
        [
            KeyValue::new("number", 1),
            KeyValue::new("text", "static"),
            KeyValue::new("code.function.name", "crate::function"),
            KeyValue::new("code.file.path", "src/file.rs"),
            KeyValue::new("code.line.number", 7),
            KeyValue::new("later", 1.5),
        ]
    );
    assert_eq!(inner.span_kind, SpanKind::Server);
    assert_eq!(inner.instrumentation_scope.name(), "crate");
    close(&provider);
}
