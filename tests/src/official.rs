//! A program that uses the official API alone, and what it exports made comparable: the same program on
//! the plain SDK and on our provider, with whatever extensions, must export equal spans.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test whose program fails has failed"
)]

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    FutureExt, Link, Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId, TraceState, Tracer, get_active_span, mark_span_as_active,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value, global};

use crate::collector_file::CollectedSpan;

/// Runs the program on the global provider and the global propagator, of which it sees nothing else.
/// Every span has a name of its own, from which [`comparable`] knows it again.
pub fn program() {
    nested();
    every_kind();
    every_value();
    events_and_links();
    statuses();
    renamed_and_out_of_order();
    explicit_times_and_parents();
    beyond_the_limits();
    scopes();
    across_tasks();
    across_services();
    sampled_by_trace_id();
    not_recorded_after_the_end();
}

fn nested() {
    let tracer = global::tracer("official");
    tracer.in_span("nested root", |context| {
        context.span().set_attribute(KeyValue::new("depth", 0));
        tracer.in_span("nested child", |_| {
            get_active_span(|span| span.set_attribute(KeyValue::new("active", true)));
            let span = tracer.start("nested grandchild");
            let _active = mark_span_as_active(span);
            tracer.in_span("nested leaf", |_| {});
        });
        tracer.in_span("nested sibling", |_| {});
    });
}

fn every_kind() {
    let tracer = global::tracer("official");
    for (name, kind) in [
        ("kind internal", SpanKind::Internal),
        ("kind server", SpanKind::Server),
        ("kind client", SpanKind::Client),
        ("kind producer", SpanKind::Producer),
        ("kind consumer", SpanKind::Consumer),
    ] {
        tracer
            .span_builder(name)
            .with_kind(kind)
            .start(&tracer)
            .end();
    }
}

fn every_value() {
    let tracer = global::tracer("official");
    let mut span = tracer
        .span_builder("values")
        .with_attributes([
            KeyValue::new("string", "borrowed"),
            KeyValue::new("owned", String::from("owned \u{1F600}")),
            KeyValue::new("empty", ""),
            KeyValue::new("least", i64::MIN),
            KeyValue::new("most", i64::MAX),
            KeyValue::new("float", -0.0),
            KeyValue::new("bool", false),
        ])
        .start(&tracer);
    span.set_attributes([
        KeyValue::new("bools", Value::Array(Array::Bool(vec![true, false]))),
        KeyValue::new("integers", Value::Array(Array::I64(vec![]))),
        KeyValue::new("floats", Value::Array(Array::F64(vec![1.5, f64::MAX]))),
        KeyValue::new(
            "strings",
            Value::Array(Array::String(vec![StringValue::from("a"), "".into()])),
        ),
    ]);
    span.end();
}

fn events_and_links() {
    let tracer = global::tracer("official");
    let mut first = tracer.start("linked to");
    let other = first.span_context().clone();
    let mut span = tracer
        .span_builder("events and links")
        .with_links(vec![Link::new(
            other.clone(),
            vec![KeyValue::new("at", "start")],
            0,
        )])
        .start(&tracer);
    span.add_event("one", vec![]);
    span.add_event("two", vec![KeyValue::new("n", 2), KeyValue::new("m", 2.5)]);
    span.add_event_with_timestamp("past", moment(5), vec![KeyValue::new("when", "then")]);
    span.record_error(&std::io::Error::other("no reason"));
    span.add_link(other, vec![KeyValue::new("at", "later")]);
    span.add_link(remote(9, true), vec![]);
    // Links to nothing are not kept.
    span.add_link(SpanContext::NONE, vec![KeyValue::new("at", "nowhere")]);
    span.end();
    first.end();
}

fn statuses() {
    let tracer = global::tracer("official");
    for (name, statuses) in [
        ("status unset", vec![Status::Unset]),
        (
            "status error",
            vec![Status::error("first"), Status::error("last")],
        ),
        (
            "status ok is final",
            vec![Status::Ok, Status::error("too late")],
        ),
        (
            "status unset is no change",
            vec![Status::error("stays"), Status::Unset],
        ),
        (
            "status error, then ok",
            vec![Status::error("gone"), Status::Ok],
        ),
    ] {
        let mut span = tracer.start(name);
        for status in statuses {
            span.set_status(status);
        }
        span.end();
    }
}

fn renamed_and_out_of_order() {
    let tracer = global::tracer("official");
    let outer = tracer.start("name at the start");
    let context = Context::current_with_span(outer);
    let mut inner = tracer.start_with_context("ends last", &context);
    context.span().update_name("ends first");
    context.span().end();
    // The parent is over; its children go on.
    let mut late = tracer.start_with_context("begins after its parent's end", &context);
    late.end();
    inner.set_attribute(KeyValue::new("late", true));
    inner.end();

    // Guards that are dropped in the order in which they were made.
    let first = Context::current_with_span(tracer.start("attached first"));
    let second = first.with_span(tracer.start_with_context("attached second", &first));
    let attached_first = first.clone().attach();
    let attached_second = second.clone().attach();
    drop(attached_first);
    tracer.in_span("while the first is detached", |_| {});
    drop(attached_second);
    tracer.in_span("while both are detached", |_| {});
}

fn explicit_times_and_parents() {
    let tracer = global::tracer("official");
    let mut timed = tracer
        .span_builder("in the past")
        .with_start_time(moment(1))
        .start(&tracer);
    timed.end_with_timestamp(moment(2));
    let below = Context::new().with_remote_span_context(remote(1, true));
    tracer
        .span_builder("child of a remote span")
        .start_with_context(&tracer, &below)
        .end();
    let unsampled = Context::new().with_remote_span_context(remote(2, false));
    tracer
        .span_builder("child of a remote span without the sampled flag")
        .start_with_context(&tracer, &unsampled)
        .end();
    tracer.in_span("active", |_| {
        tracer
            .span_builder("root in spite of the active span")
            .start_with_context(&tracer, &Context::new())
            .end();
    });
}

/// More of everything than the specification's limits of 128.
fn beyond_the_limits() {
    let tracer = global::tracer("official");
    let mut span = tracer.start("beyond the limits");
    for number in 0..200 {
        span.set_attribute(KeyValue::new(format!("key {number}"), number));
        span.add_event(
            format!("event {number}"),
            (0..3).map(|n| KeyValue::new(format!("k{n}"), n)).collect(),
        );
        span.add_link(remote(number as u64 + 1, true), vec![]);
    }
    let many = |count| {
        (0..count)
            .map(|n| KeyValue::new(format!("k{n}"), n))
            .collect::<Vec<_>>()
    };
    span.end();
    let mut span = tracer.start("beyond the limits of events and links");
    span.add_event("crowded", many(150));
    span.add_link(remote(77, true), many(150));
    span.end();
}

fn scopes() {
    let scope = InstrumentationScope::builder("scoped")
        .with_version("1.2.3")
        .with_schema_url("https://opentelemetry.io/schemas/1.30.0")
        .with_attributes([KeyValue::new("scope", "own")])
        .build();
    global::tracer_with_scope(scope).start("in its scope").end();
    global::tracer("")
        .start("in the scope without a name")
        .end();
}

fn across_tasks() {
    let tracer = global::tracer("official");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let span = tracer.start("before the tasks");
    let context = Context::current_with_span(span);
    let task = async {
        tokio::task::yield_now().await;
        global::tracer("official").in_span("in a task", |_| {});
    };
    runtime.block_on(async {
        tokio::spawn(task.with_context(context.clone()))
            .await
            .unwrap();
        tokio::spawn(async {
            global::tracer("official")
                .start("in a stranger's task")
                .end()
        })
        .await
        .unwrap();
    });
}

/// What is injected in one place and extracted in another.
fn across_services() {
    let tracer = global::tracer("official");
    let client = Context::current_with_span(tracer.start("client")).with_baggage([
        KeyValue::new("tenant", "blue whale"),
        KeyValue::new("tier", "gold"),
    ]);
    let mut carrier: HashMap<String, String> = HashMap::new();
    global::get_text_map_propagator(|propagator: &dyn TextMapPropagator| {
        propagator.inject_context(&client, &mut carrier);
    });
    let mut names: Vec<_> = carrier.keys().cloned().collect();
    names.sort();
    let server = global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &carrier)
    });
    let baggage = server.baggage();
    let mut members: Vec<_> = baggage
        .iter()
        .map(|(key, (value, _))| StringValue::from(format!("{key}={value}")))
        .collect();
    members.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    let mut span = tracer
        .span_builder("server")
        .with_kind(SpanKind::Server)
        .start_with_context(&tracer, &server);
    span.set_attribute(KeyValue::new("headers", names.join(",")));
    span.set_attribute(KeyValue::new(
        "baggage",
        Value::Array(Array::String(members)),
    ));
    span.end();
    client.span().end();
}

/// Samplers that look at the trace id decide by these.
fn sampled_by_trace_id() {
    let tracer = global::tracer("official");
    for number in 0..64_u64 {
        let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let parent = Context::new().with_remote_span_context(remote(id | 1, number % 2 == 0));
        tracer
            .span_builder(format!("sampled by trace id {number}"))
            .start_with_context(&tracer, &parent)
            .end();
    }
}

fn not_recorded_after_the_end() {
    let tracer = global::tracer("official");
    let mut span = tracer.start("over");
    span.end();
    span.set_attribute(KeyValue::new("after", "the end"));
    span.add_event("after the end", vec![]);
    span.update_name("renamed after the end");
    span.set_status(Status::error("after the end"));
    span.end();
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn remote(number: u64, sampled: bool) -> SpanContext {
    SpanContext::new(
        TraceId::from(u128::from(number) << 64 | u128::from(number)),
        SpanId::from(number),
        if sampled {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::default()
        },
        true,
        TraceState::from_key_value([("vendor", "opaque")]).unwrap(),
    )
}

/// The spans by name, with ids and times replaced by what they stand for: the id of a span that was
/// exported by its name, a trace id by the first name in its trace, a time by whether there is one.
///
/// # Panics
///
/// If two spans have the same name, or one ends before it starts.
pub fn comparable(spans: Vec<CollectedSpan>) -> BTreeMap<String, CollectedSpan> {
    let mut names: HashMap<Vec<u8>, String> = HashMap::new();
    let mut traces: HashMap<Vec<u8>, String> = HashMap::new();
    for CollectedSpan { span, .. } in &spans {
        names.insert(span.span_id.clone(), span.name.clone());
        let first = traces
            .entry(span.trace_id.clone())
            .or_insert_with(|| span.name.clone());
        if span.name < *first {
            first.clone_from(&span.name);
        }
    }
    let renamed = |id: &mut Vec<u8>, of: &HashMap<Vec<u8>, String>| {
        if let Some(name) = of.get(id) {
            *id = name.clone().into_bytes();
        }
    };
    let mut all = BTreeMap::new();
    for mut collected in spans {
        let span = &mut collected.span;
        assert!(
            span.start_time_unix_nano <= span.end_time_unix_nano,
            "{} ends before it starts",
            span.name
        );
        renamed(&mut span.span_id, &names);
        renamed(&mut span.parent_span_id, &names);
        renamed(&mut span.trace_id, &traces);
        for link in &mut span.links {
            renamed(&mut link.span_id, &names);
            renamed(&mut link.trace_id, &traces);
        }
        let present = |time: &mut u64| *time = u64::from(*time > 0);
        present(&mut span.start_time_unix_nano);
        present(&mut span.end_time_unix_nano);
        for event in &mut span.events {
            present(&mut event.time_unix_nano);
        }
        let name = span.name.clone();
        if all.insert(name.clone(), collected).is_some() {
            panic!("two spans are named `{name}`");
        }
    }
    all
}
