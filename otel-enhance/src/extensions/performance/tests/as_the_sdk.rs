//! One program with the official API on both providers: what they export is equal.

use std::time::{Duration, SystemTime};

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{
    Event, FutureExt as _, Link, Span as _, SpanContext, SpanId, SpanKind, Status,
    TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _, TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, SpanData,
    SpanLimits,
};

use super::super::Sampling;
use super::{BATCHES, Counting, Told, close, collect, counted};

const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);

fn remote(sampled: bool) -> SpanContext {
    SpanContext::new(
        TraceId::from(0xabc),
        SpanId::from(0xdef),
        TraceFlags::new(if sampled { 3 } else { 2 }),
        true,
        TraceState::from_key_value([("vendor", "1")]).unwrap(),
    )
}

fn many(count: i64) -> Vec<KeyValue> {
    (0..count)
        .map(|n| KeyValue::new(format!("key.{n}"), n))
        .collect()
}

/// Everything that the official API can do to a span.
fn program<P>(provider: &P)
where
    P: TracerProvider,
    <P::Tracer as opentelemetry::trace::Tracer>::Span: Send + Sync + 'static,
{
    let scope = InstrumentationScope::builder("library")
        .with_version("1.2")
        .with_schema_url("https://example.com/schema")
        .with_attributes([KeyValue::new("scope.key", true)])
        .build();
    let tracer = provider.tracer_with_scope(scope);
    let other = provider.tracer("other");

    // Kinds, values, nesting, two scopes.
    tracer.in_span("root", |root| {
        root.span().set_attribute(KeyValue::new("static", "value"));
        root.span().set_attributes(many(9));
        let client = other.span_builder("client").with_kind(SpanKind::Client);
        let mut client = client.start(&other);
        client.set_attribute(KeyValue::new("double", 0.5));
        client.set_attribute(KeyValue::new(
            "array",
            Value::Array(vec![1_i64, 2, 3].into()),
        ));
        client.set_attribute(KeyValue::new("same", 1));
        client.set_attribute(KeyValue::new("same", 2));
        client.add_event("event", many(3));
        client.add_event_with_timestamp("timed", SystemTime::UNIX_EPOCH + LONG_AGO, vec![]);
        client.record_error(&std::fmt::Error);
        client.add_link(remote(true), many(3));
        client.update_name(format!("renamed {}", 1));
        client.set_status(Status::error("b"));
        client.set_status(Status::error("a"));
        client.set_status(Status::error("c"));
        client.end();
        // Too late.
        client.set_attribute(KeyValue::new("late", true));
        client.update_name("late");
        client.add_event("late", vec![]);
        client.set_status(Status::Ok);
        client.end();
        assert!(!client.is_recording());
    });

    // Everything from the builder, more than the limits allow.
    let mut built = tracer
        .span_builder("built")
        .with_kind(SpanKind::Producer)
        .with_start_time(SystemTime::UNIX_EPOCH + LONG_AGO)
        .with_attributes(many(20))
        .with_events(
            (0..9)
                .map(|n| Event::new("of many", SystemTime::UNIX_EPOCH, many(n), 7))
                .collect(),
        )
        .with_links(
            (0..9)
                .map(|n| Link::new(remote(n % 2 == 0), many(n), 7))
                .collect(),
        )
        .start(&tracer);
    built.set_attribute(KeyValue::new("more", 1));
    built.add_event("more", many(1));
    built.add_link(remote(false), vec![]);
    built.set_status(Status::Ok);
    built.set_status(Status::error("too late"));
    built.end_with_timestamp(SystemTime::UNIX_EPOCH + 2 * LONG_AGO);

    // Times at the ends of the world.
    let ancient = SystemTime::UNIX_EPOCH - Duration::from_nanos(1);
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    for (start, end) in [(ancient, far), (far, ancient)] {
        let mut span = tracer
            .span_builder("times")
            .with_start_time(start)
            .start(&tracer);
        span.end_with_timestamp(end);
    }
    let mut backwards = tracer.start("backwards");
    backwards.end_with_timestamp(SystemTime::UNIX_EPOCH + LONG_AGO);

    // Parents: remote, sampled and not, invalid, with baggage, suppressed.
    for sampled in [true, false] {
        let parent = Context::new().with_remote_span_context(remote(sampled));
        let child = tracer.start_with_context("child of a remote one", &parent);
        let nested = parent.with_span(child);
        let grandchild = tracer.start_with_context("grandchild", &nested);
        assert_eq!(grandchild.is_recording(), nested.span().is_recording());
        drop(grandchild);
        nested.span().end();
    }
    let invalid = Context::new().with_remote_span_context(SpanContext::empty_context());
    drop(tracer.start_with_context("child of an invalid one", &invalid));
    let baggage = Context::new().with_baggage([KeyValue::new("user", "7")]);
    drop(tracer.start_with_context("with baggage", &baggage));
    let suppressed = baggage.with_telemetry_suppressed();
    let silent = tracer.start_with_context("suppressed", &suppressed);
    assert!(!silent.is_recording() && !silent.span_context().is_valid());

    // Contexts: a forgotten span ends with the last of them, an ended one can be active.
    let context = Context::new().with_span(tracer.start("forgotten"));
    let clone = context.clone();
    drop(context);
    clone
        .span()
        .set_attribute(KeyValue::new("through", "a clone"));
    drop(clone);
    let context = Context::new().with_span(tracer.start("out of order"));
    let child = Context::new().with_span(tracer.start_with_context("outlives", &context));
    context.span().end();
    assert!(!context.span().is_recording());
    context.span().add_event("late", vec![]);
    child.span().end();
    std::thread::spawn(move || child.span().set_attribute(KeyValue::new("late", 1)))
        .join()
        .unwrap();
    let asynchronous = Context::new().with_span(tracer.start("asynchronous"));
    futures_util::future::FutureExt::now_or_never(
        async { Context::current().span().set_status(Status::Ok) }.with_context(asynchronous),
    )
    .unwrap();
}

/// All kinds of decisions, with attributes and trace states.
#[derive(Clone, Debug)]
struct Moody;

impl ShouldSample for Moody {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let seen = format!(
            "{} {trace_id} {name} {kind:?} {} {}",
            parent.is_some(),
            attributes.len(),
            links.len()
        );
        SamplingResult {
            decision: match name.len() % 4 {
                0 => SamplingDecision::Drop,
                1 => SamplingDecision::RecordOnly,
                _ => SamplingDecision::RecordAndSample,
            },
            attributes: vec![KeyValue::new("sampler.saw", seen), KeyValue::new("two", 2)],
            trace_state: TraceState::from_key_value([("sampler", "was here")]).unwrap(),
        }
    }
}

/// Times that nobody gave differ from run to run.
fn comparable(mut spans: Vec<SpanData>) -> Vec<SpanData> {
    let blank = |time: &mut SystemTime| {
        let is_now = SystemTime::now()
            .duration_since(*time)
            .is_ok_and(|ago| ago < Duration::from_secs(60));
        if is_now {
            *time = SystemTime::UNIX_EPOCH;
        }
    };
    for span in &mut spans {
        blank(&mut span.start_time);
        blank(&mut span.end_time);
        for event in &mut span.events.events {
            blank(&mut event.timestamp);
        }
    }
    spans
}

/// `known`: what the fast path calls this sampler, if it need not ask it.
fn assert_equal(
    sampler: impl ShouldSample + Clone + 'static,
    known: Option<fn() -> Sampling>,
    limits: SpanLimits,
) -> usize {
    let told = Told::default();
    let official = SdkTracerProvider::builder()
        .with_id_generator(Counting::default())
        .with_sampler(sampler.clone())
        .with_span_limits(limits)
        .with_span_processor(told.clone())
        .build();
    program(&official);
    let expected = comparable(told.take());

    for batches in [None, Some(BATCHES)] {
        let told = Told::default();
        let sampling = match known {
            Some(known) => known(),
            None => Sampling::Asked(Box::new(sampler.clone())),
        };
        let provider = counted(&told, sampling, limits, batches);
        program(&provider);
        collect(&provider);
        let ours = comparable(told.take());
        for (ours, expected) in ours.iter().zip(&expected) {
            assert_eq!(ours, expected);
        }
        assert_eq!(ours.len(), expected.len());
        assert_eq!(told.started(), expected.len() as u64);
        close(&provider);
        let late = provider.tracer("test").start("after the end");
        assert!(!late.is_recording() && !late.span_context().is_valid());
        drop(late);
        collect(&provider);
        assert!(told.take().is_empty());
    }
    expected.len()
}

const TIGHT: SpanLimits = SpanLimits {
    max_events_per_span: 4,
    max_attributes_per_span: 7,
    max_links_per_span: 3,
    max_attributes_per_event: 2,
    max_attributes_per_link: 1,
};

#[test]
fn program_on_the_fast_path_exports_what_it_exports_on_the_sdk() {
    let parent_based = || Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
    let as_parent: fn() -> Sampling = || Sampling::AsParent { roots: true };
    assert!(assert_equal(parent_based(), Some(as_parent), SpanLimits::default()) > 8);
    assert!(assert_equal(parent_based(), None, SpanLimits::default()) > 8);
    assert!(assert_equal(parent_based(), Some(as_parent), TIGHT) > 8);
    let no_roots: fn() -> Sampling = || Sampling::AsParent { roots: false };
    let parent_based = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
    assert_eq!(assert_equal(parent_based, Some(no_roots), TIGHT), 2);
    assert!(assert_equal(Sampler::AlwaysOn, Some(|| Sampling::Always(true)), TIGHT) > 8);
    assert_eq!(
        assert_equal(Sampler::AlwaysOff, Some(|| Sampling::Always(false)), TIGHT),
        0
    );
}

#[test]
fn program_under_a_sampler_of_its_own_exports_what_it_exports_on_the_sdk() {
    assert!(assert_equal(Moody, None, SpanLimits::default()) >= 4);
    assert!(assert_equal(Moody, None, TIGHT) >= 4);
}

#[test]
fn program_with_limits_of_zero_exports_what_it_exports_on_the_sdk() {
    let none = SpanLimits {
        max_events_per_span: 0,
        max_attributes_per_span: 0,
        max_links_per_span: 0,
        max_attributes_per_event: 0,
        max_attributes_per_link: 0,
    };
    assert!(assert_equal(Sampler::AlwaysOn, None, none) > 8);
}

#[test]
fn span_that_ends_through_its_context_does_not_end_before_it_started() {
    let told = Told::default();
    let provider = super::provider(&told, None);
    let tracer = provider.tracer("test");
    for _ in 0..10_000 {
        Context::new().with_span(tracer.start("short")).span().end();
    }
    let spans = told.take();
    assert_eq!(spans.len(), 10_000);
    assert!(spans.iter().all(|span| span.end_time >= span.start_time));
    close(&provider);
}
