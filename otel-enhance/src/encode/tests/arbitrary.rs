//! Spans of every shape.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Texts around the lengths at which a length takes one byte more, and some that need escapes.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z./_]{0,40}",
        2 => "\\PC{0,30}",
        2 => proptest::string::string_regex("[\\x00-\\x7f]{0,20}").unwrap(),
        2 => (100_usize..140).prop_map(|len| "x".repeat(len)),
        1 => (16_370_usize..16_400).prop_map(|len| "y".repeat(len)),
    ]
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(0.0),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::NAN),
        (-1000_i32..1000).prop_map(|number| f64::from(number) / 8.0),
    ]
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        (0_u32..63).prop_map(|bits| 1 << bits),
        (0_u32..63).prop_map(|bits| (1 << bits) - 1),
        -300_i64..300,
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => text().prop_map(|text| Value::String(text.into())),
        3 => integer().prop_map(Value::I64),
        2 => any::<bool>().prop_map(Value::Bool),
        2 => double().prop_map(Value::F64),
        1 => vec(any::<bool>(), 0..5).prop_map(|values| Value::Array(Array::Bool(values))),
        1 => vec(integer(), 0..40).prop_map(|values| Value::Array(Array::I64(values))),
        1 => vec(double(), 0..5).prop_map(|values| Value::Array(Array::F64(values))),
        1 => vec(text(), 0..5).prop_map(|values| {
            Value::Array(Array::String(values.into_iter().map(StringValue::from).collect()))
        }),
    ]
}

fn attributes(most: usize) -> impl Strategy<Value = Vec<KeyValue>> {
    let attribute = (text(), value()).prop_map(|(key, value)| KeyValue::new(key, value));
    vec(attribute, 0..=most)
}

/// Most are 0.
fn dropped() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 1 => any::<u32>(), 1 => 1_u32..300]
}

fn time() -> impl Strategy<Value = SystemTime> {
    prop_oneof![
        1 => Just(UNIX_EPOCH),
        1 => (1_u64..1_000_000).prop_map(|ns| UNIX_EPOCH - Duration::from_nanos(ns)),
        1 => any::<u64>().prop_map(|ns| UNIX_EPOCH + Duration::from_nanos(ns)),
        // Later than nanoseconds in 64 bits can say.
        1 => (18_446_744_074_u64..40_000_000_000).prop_map(|s| UNIX_EPOCH + Duration::from_secs(s)),
        6 => (1_600_000_000_000_000_000_u64..1_900_000_000_000_000_000)
            .prop_map(|ns| UNIX_EPOCH + Duration::from_nanos(ns)),
    ]
}

fn trace_state() -> impl Strategy<Value = TraceState> {
    let member = ("[a-z][a-z0-9_*/-]{0,20}", "[a-zA-Z0-9 ]{0,60}");
    prop_oneof![
        3 => Just(TraceState::NONE),
        1 => vec(member, 0..5).prop_map(|members| {
            TraceState::from_key_value(members).unwrap_or_default()
        }),
        // A list that has become empty is not the same as none.
        1 => Just(TraceState::from_key_value([("a", "1")]).unwrap().delete("a").unwrap()),
    ]
}

fn context() -> impl Strategy<Value = SpanContext> {
    let ids = prop_oneof![
        8 => (any::<u128>(), any::<u64>()),
        1 => Just((0, 0)),
    ];
    (ids, any::<u8>(), any::<bool>(), trace_state()).prop_map(|(ids, flags, remote, state)| {
        SpanContext::new(
            TraceId::from(ids.0),
            SpanId::from(ids.1),
            TraceFlags::new(flags),
            remote,
            state,
        )
    })
}

fn events() -> impl Strategy<Value = SpanEvents> {
    let event = (text(), time(), attributes(4), dropped())
        .prop_map(|(name, time, attributes, dropped)| Event::new(name, time, attributes, dropped))
        .boxed();
    (
        prop_oneof![2 => vec(event.clone(), 0..1), 1 => vec(event, 0..4)],
        dropped(),
    )
        .prop_map(|(made, dropped)| {
            let mut events = SpanEvents::default();
            events.events = made;
            events.dropped_count = dropped;
            events
        })
}

fn links() -> impl Strategy<Value = SpanLinks> {
    let link = (context(), attributes(3), dropped())
        .prop_map(|(context, attributes, dropped)| Link::new(context, attributes, dropped))
        .boxed();
    (
        prop_oneof![2 => vec(link.clone(), 0..1), 1 => vec(link, 0..4)],
        dropped(),
    )
        .prop_map(|(made, dropped)| {
            let mut links = SpanLinks::default();
            links.links = made;
            links.dropped_count = dropped;
            links
        })
}

fn kind() -> impl Strategy<Value = SpanKind> {
    prop::sample::select(vec![
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ])
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Unset),
        Just(Status::Ok),
        text().prop_map(Status::error),
    ]
}

/// Few names and attributes, so that equal ones meet; two orders of the same attributes among them.
fn scope() -> impl Strategy<Value = InstrumentationScope> {
    let a = KeyValue::new("a", 1);
    let b = KeyValue::new("b", "two");
    let double = |number: f64| vec![KeyValue::new("number", number)];
    let attributes = prop::sample::select(vec![
        Vec::new(),
        Vec::new(),
        vec![a.clone()],
        vec![a.clone(), b.clone()],
        vec![b, a],
        double(0.5),
        double(f64::NAN),
    ]);
    (
        prop::sample::select(vec!["", "shop", "checkout"]),
        option::of(prop::sample::select(vec!["", "1.0"])),
        option::of(prop::sample::select(vec!["", "https://example.com/schema"])),
        attributes,
    )
        .prop_map(|(name, version, schema_url, attributes)| {
            let mut scope = InstrumentationScope::builder(name).with_attributes(attributes);
            if let Some(version) = version {
                scope = scope.with_version(version);
            }
            if let Some(schema_url) = schema_url {
                scope = scope.with_schema_url(schema_url);
            }
            scope.build()
        })
}

pub(crate) fn span() -> impl Strategy<Value = SpanData> {
    (
        (
            context(),
            prop_oneof![Just(0), any::<u64>()],
            any::<bool>(),
            kind(),
            text(),
        ),
        (time(), time(), attributes(9), dropped()),
        (events(), links(), status(), scope()),
    )
        .prop_map(|(who, what, more)| SpanData {
            span_context: who.0,
            parent_span_id: SpanId::from(who.1),
            parent_span_is_remote: who.2,
            span_kind: who.3,
            name: who.4.into(),
            start_time: what.0,
            end_time: what.1,
            attributes: what.2,
            dropped_attributes_count: what.3,
            events: more.0,
            links: more.1,
            status: more.2,
            instrumentation_scope: more.3,
        })
}

pub(crate) fn resource() -> impl Strategy<Value = Resource> {
    (attributes(5), prop_oneof![Just(String::new()), text()]).prop_map(|(attributes, url)| {
        Resource::builder_empty()
            .with_schema_url(attributes, url)
            .build()
    })
}

/// Batches for one encoder, one after the other; some are empty.
pub(super) fn batches() -> impl Strategy<Value = Vec<Vec<SpanData>>> {
    vec(vec(span(), 0..12), 1..4)
}
