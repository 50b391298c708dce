//! Annotated functions and hand-written spans, nested in each other.

use std::sync::Arc;

use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanLimits};

use super::super::{FastBackend, Sampling};
use super::{Told, alone, close, provider};
use crate::span::private::{Callsite, SpanKind};
use crate::span::{Backend, ProviderBackend};

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
    let _alone = alone();
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

/// What a backend makes of one annotated function with so many attributes.
fn through(backend: &dyn Backend, attributes: i64, code: bool) {
    let callsite = if code {
        callsite("function")
    } else {
        Box::leak(Box::new(Callsite::new(
            None,
            SpanKind::Internal,
            ("crate", None),
            || "crate::function::Marker",
            None,
        )))
    };
    let mut start = callsite.span(1);
    for n in 0..attributes {
        start.attributes.push(KeyValue::new(format!("key {n}"), n));
    }
    let parent = Context::new();
    let context = backend.start(&mut start, &parent, &parent);
    context.span().set_attributes([
        KeyValue::new("later", 1),
        KeyValue::new("later still", "text"),
    ]);
    context.span().end();
}

#[test]
fn attributes_of_a_function_are_those_of_the_sdk_whatever_the_limit() {
    let comparable = |spans: Vec<SpanData>| -> Vec<_> {
        let compared = |span: SpanData| {
            (
                span.name,
                span.attributes,
                span.dropped_attributes_count,
                span.instrumentation_scope,
            )
        };
        spans.into_iter().map(compared).collect()
    };
    for limit in [0, 1, 2, 3, 4, 5, 6, 7, 128] {
        let limits = SpanLimits {
            max_attributes_per_span: limit,
            ..SpanLimits::default()
        };
        for attributes in [0, 1, 2, 3, 4, 5, 6, 300] {
            for code in [true, false] {
                let told = Told::default();
                let official = SdkTracerProvider::builder()
                    .with_span_limits(limits)
                    .with_span_processor(told.clone())
                    .build();
                through(&ProviderBackend::new(official), attributes, code);
                let expected = comparable(told.take());
                assert_eq!(expected.len(), 1);

                let samplings = [
                    Sampling::AsParent { roots: true },
                    Sampling::Always(true),
                    Sampling::Asked(Box::new(Sampler::AlwaysOn)),
                ];
                for sampling in samplings {
                    let fast = super::counted(&told, sampling, limits, None);
                    through(&FastBackend::new(fast.clone()), attributes, code);
                    assert_eq!(comparable(told.take()), expected);
                    close(&fast);
                }
            }
        }
    }
}

#[test]
fn future_on_the_fast_path_ends_its_span_once() {
    let told = Told::default();
    let fast = provider(&told, None);
    let backend = FastBackend::new(fast.clone());
    let mut start = callsite("future").span(0);
    let parent = Context::new();
    let context = backend.start(&mut start, &parent, &parent);
    let handle = start.handle.unwrap();
    let clone = context.clone();
    handle.end();
    assert_eq!(told.take().len(), 1);
    handle.end();
    context.span().end();
    drop(context);
    clone.span().set_attribute(KeyValue::new("late", true));
    drop(clone);
    assert_eq!(told.len(), 0);
    close(&fast);
}

#[test]
fn functions_left_out_of_order_end_the_right_spans() {
    let told = Told::default();
    let fast = provider(&told, None);
    let backend = FastBackend::new(fast.clone());
    let first = backend.enter(&mut callsite("first").span(0));
    let second = backend.enter(&mut callsite("second").span(0));
    drop(first);
    let names = |spans: Vec<SpanData>| spans.into_iter().map(|span| span.name).collect::<Vec<_>>();
    assert_eq!(names(told.take()), ["first"]);
    drop(second);
    assert_eq!(names(told.take()), ["second"]);
    close(&fast);
}

#[test]
fn function_whose_span_was_ended_early_ends_nothing_else() {
    let told = Told::default();
    let fast = provider(&told, None);
    let backend = FastBackend::new(fast.clone());
    let outer = backend.enter(&mut callsite("outer").span(0));
    let inner = backend.enter(&mut callsite("inner").span(0));
    Context::map_current(|current| current.clone()).span().end();
    // The record is free, and somebody else's now.
    let other = fast.tracer("other").start("other");
    drop(inner);
    assert_eq!(told.take().len(), 1);
    drop(outer);
    drop(other);
    let names: Vec<_> = told.take().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["outer", "other"]);
    close(&fast);
}
