//! The shortest way into a span, which a thread takes from its second span on.

use std::sync::Arc;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SpanLimits;

use super::super::{FastBackend, FastProvider, HubConfig, Sampling};
use super::{BATCHES, Told, alone, callsite, close, collect, config};
use crate::config::UnsampledId;
use crate::span::{Parent, Registration, install};

/// A provider that annotated functions use, and of which this thread knows.
fn installed(told: &Told, config: HubConfig) -> (FastProvider, Registration) {
    let provider = FastProvider::new(config);
    let registration = install(Arc::new(FastBackend::new(provider.clone())));
    drop(callsite().enter());
    collect(&provider);
    let _ = told.take();
    (provider, registration)
}

fn attributes(count: i64) -> Vec<KeyValue> {
    const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    (KEYS.iter().zip(0..count))
        .map(|(key, value)| KeyValue::new(*key, value))
        .collect()
}

/// A span with the attributes `a` to `f`, as many of them.
fn enter_with(count: i64) {
    let mut start = callsite().begin(count as usize);
    for KeyValue { key, value, .. } in attributes(count) {
        let key: &'static str = Box::leak(key.to_string().into_boxed_str());
        start.set(key, value);
    }
    drop(start.enter());
}

#[test]
fn attributes_gathered_in_place_are_kept_in_order_and_within_the_limits() {
    let _alone = alone();
    let told = Told::default();
    let limits = SpanLimits {
        max_attributes_per_span: 5,
        ..SpanLimits::default()
    };
    let (provider, registration) = installed(
        &told,
        HubConfig {
            limits,
            ..config(&told, Some(BATCHES))
        },
    );
    for count in 0..=6 {
        enter_with(count);
    }
    collect(&provider);
    let spans = told.take();
    assert_eq!(spans.len(), 7);
    for (span, count) in spans.iter().zip(0..) {
        assert_eq!(span.attributes, attributes(i64::min(count, 5)));
        assert_eq!(span.dropped_attributes_count, u32::from(count == 6));
    }
    registration.uninstall();
    close(&provider);
}

#[test]
fn attributes_gathered_in_place_given_few_allowed_are_dropped() {
    let _alone = alone();
    let told = Told::default();
    let limits = SpanLimits {
        max_attributes_per_span: 1,
        ..SpanLimits::default()
    };
    let (provider, registration) = installed(
        &told,
        HubConfig {
            limits,
            ..config(&told, Some(BATCHES))
        },
    );
    enter_with(3);
    collect(&provider);
    let span = told.take().remove(0);
    assert_eq!(span.attributes, attributes(1));
    assert_eq!(span.dropped_attributes_count, 2);
    registration.uninstall();
    close(&provider);
}

#[test]
fn attributes_gathered_for_a_span_elsewhere_or_none_are_not_lost_and_not_another_spans() {
    let _alone = alone();
    let told = Told::default();
    let (provider, registration) = installed(&told, config(&told, Some(BATCHES)));
    // Of no span: the function unwinds before it starts.
    let mut start = callsite().begin(1);
    start.set("lost", 1_i64);
    drop(start);
    // The way of the backend.
    let mut start = callsite().begin(2);
    start.set("a", 0_i64);
    start.parent(Parent::Root);
    start.set("b", 1_i64);
    drop(start.enter());
    enter_with(1);
    collect(&provider);
    let spans = told.take();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0].attributes, attributes(2));
    assert_eq!(spans[1].attributes, attributes(1));
    registration.uninstall();
    close(&provider);
}

fn parent(flags: TraceFlags) -> SpanContext {
    let (trace, span) = (TraceId::from(7), SpanId::from(8));
    SpanContext::new(trace, span, flags, true, Default::default())
}

fn current() -> SpanContext {
    Context::map_current(|current| current.span().span_context().clone())
}

/// The contexts of a span and one in it, under `parent`.
fn nested(parent: Option<SpanContext>) -> (SpanContext, SpanContext) {
    let _parent = parent.map(|parent| Context::new().with_remote_span_context(parent).attach());
    let outer = callsite().enter();
    let of_outer = current();
    let mut start = callsite().begin(1);
    start.set("text", "text");
    let inner = start.enter();
    let of_inner = current();
    drop(inner);
    assert_eq!(current(), of_outer);
    drop(outer);
    (of_outer, of_inner)
}

#[test]
fn spans_that_are_not_recorded_have_new_ids_or_inherit_them() {
    let _alone = alone();
    for (unsampled, inherits) in [
        (UnsampledId::New, false),
        (UnsampledId::InheritParent, true),
    ] {
        let told = Told::default();
        let (provider, registration) = installed(
            &told,
            HubConfig {
                sampling: Sampling::Always(false),
                unsampled,
                ..config(&told, Some(BATCHES))
            },
        );
        // Twice: the first time a thread may not know of the provider yet.
        for _ in 0..2 {
            for given in [
                Some(parent(TraceFlags::NOT_SAMPLED)),
                Some(parent(TraceFlags::SAMPLED)),
                None,
            ] {
                let (outer, inner) = nested(given.clone());
                assert!(outer.is_valid() && !outer.is_sampled() && !inner.is_sampled());
                assert_eq!(inner.trace_id(), outer.trace_id());
                assert_eq!(inner.span_id() == outer.span_id(), inherits);
                if let Some(given) = given {
                    assert_eq!(outer.trace_id(), given.trace_id());
                    assert_eq!(outer.span_id() == given.span_id(), inherits);
                }
            }
        }
        collect(&provider);
        assert_eq!((told.len(), told.started()), (0, 0));
        registration.uninstall();
        close(&provider);
    }
}

#[test]
fn attributes_of_a_span_that_will_not_record_are_not_wanted() {
    let _alone = alone();
    for records in [false, true] {
        let told = Told::default();
        let (provider, registration) = installed(
            &told,
            HubConfig {
                sampling: Sampling::Always(records),
                ..config(&told, Some(BATCHES))
            },
        );
        // From now on the thread knows of the provider.
        drop(callsite().enter());
        let mut start = callsite().begin(1);
        assert_eq!(start.is_wanted(), records);
        // Of another parent's child nothing is known.
        start.root();
        assert!(start.is_wanted());
        start.set("text", "text");
        drop(start.enter());
        collect(&provider);
        assert_eq!(told.len(), if records { 2 } else { 0 });
        registration.uninstall();
        close(&provider);
    }
}

#[test]
fn span_that_ended_early_is_left_alone_by_its_guard() {
    let _alone = alone();
    let told = Told::default();
    let (provider, registration) = installed(&told, config(&told, None));
    let guard = callsite().enter();
    Context::map_current(|current| current.span().end());
    assert_eq!(told.len(), 1);
    // Has the record that the guard's span had.
    let second = callsite().enter();
    drop(guard);
    assert_eq!(told.len(), 1);
    drop(second);
    assert_eq!(told.len(), 2);
    registration.uninstall();
    close(&provider);
}

#[test]
fn more_spans_at_once_than_have_numbers_are_each_itself() {
    const DEPTH: i64 = 200;
    let _alone = alone();
    let told = Told::default();
    let (provider, registration) = installed(&told, config(&told, Some(BATCHES)));
    fn nest(depth: i64, contexts: &mut Vec<Context>) {
        let _guard = callsite().enter();
        let context = Context::current();
        context.span().set_attribute(KeyValue::new("depth", depth));
        contexts.push(context);
        if depth < DEPTH {
            nest(depth + 1, contexts);
        }
        // Others have come and gone meanwhile.
        Context::map_current(|current| {
            current.span().set_attribute(KeyValue::new("again", depth));
        });
    }
    for _ in 0..3 {
        let mut contexts = Vec::new();
        nest(1, &mut contexts);
        for context in &contexts {
            // They have ended, and keep their numbers.
            assert!(!context.span().is_recording());
            context.span().set_attribute(KeyValue::new("late", true));
        }
        drop(callsite().enter());
        collect(&provider);
        let spans = told.take();
        assert_eq!(spans.len() as i64, DEPTH + 1);
        for (span, depth) in spans.iter().zip((1..=DEPTH).rev()) {
            let expected = ["depth", "again"].map(|key| KeyValue::new(key, depth));
            assert_eq!(span.attributes, expected);
            let context = &contexts[depth as usize - 1];
            assert_eq!(span.span_context, *context.span().span_context());
        }
        assert_eq!(spans[DEPTH as usize].attributes, []);
        // Dropped by a thread that has no use for their numbers.
        std::thread::spawn(|| drop(contexts)).join().unwrap();
    }
    registration.uninstall();
    close(&provider);
}
