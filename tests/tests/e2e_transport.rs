//! `init!` over every transport and coding: what was recorded arrives, complete and equal.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, Value};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValue as ProtoKeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use otel_enhance::{Context, KeyValue, TelemetryGuard, enhanced_trace};
use otel_enhance_receiver::{ContentType, Encoding, StoredSpan, Transport};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::{Loopback, collected, sorted};
use otel_enhance_tests::sender::{Record, Recorder};

/// More than two batches, fewer than the queue holds.
const ITEMS: i64 = 1200;

#[enhanced_trace(
    name = "order",
    kind = "server",
    root,
    tracer = "shop",
    links = links,
    fields(order.id = 7, order.total = 12.5, order.paid = true, order.customer = "grüß\n\u{1F600}")
)]
fn order(links: Vec<SpanContext>) {
    let context = Context::current();
    let span = context.span();
    span.set_attribute(KeyValue::new(
        "order.items",
        Value::Array(Array::I64(vec![1, -1, i64::MAX])),
    ));
    span.add_event("packed", vec![KeyValue::new("boxes", 2)]);
    payment("declined").ok();
    for number in 0..ITEMS {
        item(number);
    }
}

#[enhanced_trace(name = "payment", kind = "client", tracer = "shop", err)]
fn payment(reason: &str) -> Result<(), String> {
    Err(reason.to_owned())
}

#[enhanced_trace(name = "item", tracer = "shop", capture(number))]
fn item(number: i64) {}

fn linked() -> SpanContext {
    SpanContext::new(
        TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
        SpanId::from(0x00f0_67aa_0ba9_02b7),
        TraceFlags::SAMPLED,
        true,
        TraceState::from_key_value([("vendor", "opaque")]).unwrap(),
    )
}

fn value<'a>(attributes: &'a [ProtoKeyValue], key: &str) -> &'a AnyValue {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.as_ref());
    value
        .and_then(|value| value.value.as_ref())
        .unwrap_or_else(|| panic!("no attribute `{key}` in {attributes:?}"))
}

fn text(text: &str) -> AnyValue {
    AnyValue::StringValue(text.to_owned())
}

fn integers(of: &AnyValue) -> Vec<AnyValue> {
    let AnyValue::ArrayValue(ArrayValue { values }) = of else {
        panic!("no array: {of:?}");
    };
    values
        .iter()
        .map(|value| value.value.clone().unwrap())
        .collect()
}

fn named<'a>(spans: &'a [StoredSpan], name: &str) -> &'a Span {
    let found: Vec<_> = spans
        .iter()
        .filter(|stored| stored.span.name == name)
        .collect();
    assert_eq!(found.len(), 1, "spans named {name}");
    &found[0].span
}

/// What was written above is what arrived, told without our own help.
fn is_as_written(spans: &[StoredSpan]) {
    let order = named(spans, "order");
    assert_eq!(order.kind(), SpanKind::Server);
    assert_eq!(order.parent_span_id, Vec::<u8>::new());
    let attributes = &order.attributes;
    assert_eq!(value(attributes, "order.id"), &AnyValue::IntValue(7));
    assert_eq!(
        value(attributes, "order.total"),
        &AnyValue::DoubleValue(12.5)
    );
    assert_eq!(value(attributes, "order.paid"), &AnyValue::BoolValue(true));
    assert_eq!(
        value(attributes, "order.customer"),
        &text("grüß\n\u{1F600}")
    );
    assert_eq!(
        integers(value(attributes, "order.items")),
        [1, -1, i64::MAX].map(AnyValue::IntValue)
    );
    let [packed] = &order.events[..] else {
        panic!("one event expected: {:?}", order.events);
    };
    assert_eq!(packed.name, "packed");
    assert_eq!(value(&packed.attributes, "boxes"), &AnyValue::IntValue(2));
    assert!(packed.time_unix_nano >= order.start_time_unix_nano);
    assert!(packed.time_unix_nano <= order.end_time_unix_nano);
    let [link] = &order.links[..] else {
        panic!("one link expected: {:?}", order.links);
    };
    assert_eq!(link.span_id, linked().span_id().to_bytes());
    assert_eq!(link.trace_id, linked().trace_id().to_bytes());
    assert_eq!(link.trace_state, "vendor=opaque");

    let payment = named(spans, "payment");
    assert_eq!(payment.kind(), SpanKind::Client);
    assert_eq!(payment.parent_span_id, order.span_id);
    assert_eq!(payment.trace_id, order.trace_id);
    let status = payment.status.as_ref().unwrap();
    assert_eq!(status.code(), StatusCode::Error);
    assert_eq!(status.message, "declined");
    assert_eq!(payment.events[0].name, "exception");

    let items = spans.iter().filter(|stored| stored.span.name == "item");
    let mut numbers: Vec<i64> = items
        .map(|stored| {
            assert_eq!(stored.span.parent_span_id, order.span_id);
            match value(&stored.span.attributes, "number") {
                AnyValue::IntValue(number) => *number,
                other => panic!("no integer: {other:?}"),
            }
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..ITEMS).collect::<Vec<_>>());

    for stored in spans {
        assert_eq!(stored.scope.name, "shop");
        let resource = &stored.resource.attributes;
        assert_eq!(value(resource, "service.name"), &text("store"));
        assert_eq!(value(resource, "service.version"), &text("1.2.3"));
        assert_eq!(
            value(resource, "deployment.environment.name"),
            &text("test")
        );
        assert_eq!(
            value(resource, "telemetry.sdk.name"),
            &text("opentelemetry")
        );
        assert_eq!(value(resource, "store.open"), &AnyValue::BoolValue(true));
    }
}

/// Records, flushes and compares.
fn arrives(
    loopback: &Loopback,
    guard: &TelemetryGuard,
    recorder: &Recorder,
    came: (Transport, ContentType, Encoding),
) {
    order(vec![linked()]);
    guard.shutdown().unwrap();
    let expected = usize::try_from(ITEMS).unwrap() + 2;
    let spans = loopback.wait(expected);
    assert_eq!(spans.len(), expected, "more arrived than was sent");
    is_as_written(&spans);

    let delivery = guard.delivery();
    assert_eq!(delivery.exported, expected as u64, "{delivery:?}");
    assert_eq!(delivery.ended, delivery.exported, "{delivery:?}");
    assert_eq!(delivery.dropped_total(), 0, "{delivery:?}");
    // Field by field, what the SDK handed to a processor beside ours.
    let made = Record::new(recorder.take(), guard.resource(), &delivery).made();
    assert_eq!(sorted(collected(&spans)), sorted(made));

    let requests = loopback.store().requests();
    // As many batches as the specification's size of 512 makes of them, or more.
    assert!(requests.len() >= 3, "{requests:?}");
    for request in requests {
        let how = (
            request.head.transport,
            request.content_type,
            request.encoding,
        );
        assert_eq!(how, came);
        assert!(request.span_count() <= 512, "{request:?}");
        // A batch of one span may be the last one, and is mostly its resource.
        if request.encoding != Encoding::Identity && request.span_count() > 100 {
            assert!(request.wire_size < request.body.len() / 2, "{request:?}");
        }
    }
}

/// A test that installs by these arguments, and what its requests look like.
macro_rules! transport {
    ($test:ident $(with $extension:ident)?: $exporter:ident, $compression:ident to $endpoint:ident as $came:expr) => {
        #[test]
        fn $test() {
            alone(stringify!($test), &[], || {
                let loopback = Loopback::start();
                let recorder = Recorder::default();
                let guard = otel_enhance::init!(
                    service = "store",
                    version = "1.2.3",
                    environment = "test",
                    resource(store.open = true),
                    exporter = $exporter,
                    endpoint = loopback.$endpoint(),
                    compression = $compression,
                    processor = recorder.clone(),
                    $($extension,)?
                )
                .unwrap();
                arrives(&loopback, &guard, &recorder, $came);
            });
        }
    };
}

transport!(http_uncompressed_delivers_every_span_equal:
    otlp_http, none to http as (Transport::Http, ContentType::Protobuf, Encoding::Identity));
transport!(http_with_gzip_delivers_every_span_equal:
    otlp_http, gzip to http as (Transport::Http, ContentType::Protobuf, Encoding::Gzip));
transport!(http_with_zstd_delivers_every_span_equal:
    otlp_http, zstd to http as (Transport::Http, ContentType::Protobuf, Encoding::Zstd));
transport!(http_json_delivers_every_span_equal:
    otlp_json, none to http as (Transport::Http, ContentType::Json, Encoding::Identity));
transport!(http_json_with_gzip_delivers_every_span_equal:
    otlp_json, gzip to http as (Transport::Http, ContentType::Json, Encoding::Gzip));
transport!(grpc_uncompressed_delivers_every_span_equal:
    otlp_grpc, none to grpc as (Transport::Grpc, ContentType::Protobuf, Encoding::Identity));
transport!(grpc_with_gzip_delivers_every_span_equal:
    otlp_grpc, gzip to grpc as (Transport::Grpc, ContentType::Protobuf, Encoding::Gzip));
transport!(grpc_with_zstd_delivers_every_span_equal:
    otlp_grpc, zstd to grpc as (Transport::Grpc, ContentType::Protobuf, Encoding::Zstd));

transport!(http_uncompressed_by_simd_delivers_every_span_equal with simd:
    otlp_http, none to http as (Transport::Http, ContentType::Protobuf, Encoding::Identity));
transport!(http_with_gzip_by_simd_delivers_every_span_equal with simd:
    otlp_http, gzip to http as (Transport::Http, ContentType::Protobuf, Encoding::Gzip));
transport!(http_with_zstd_by_simd_delivers_every_span_equal with simd:
    otlp_http, zstd to http as (Transport::Http, ContentType::Protobuf, Encoding::Zstd));
transport!(http_json_by_simd_delivers_every_span_equal with simd:
    otlp_json, none to http as (Transport::Http, ContentType::Json, Encoding::Identity));
transport!(http_json_with_gzip_by_simd_delivers_every_span_equal with simd:
    otlp_json, gzip to http as (Transport::Http, ContentType::Json, Encoding::Gzip));
transport!(http_json_with_zstd_by_simd_delivers_every_span_equal with simd:
    otlp_json, zstd to http as (Transport::Http, ContentType::Json, Encoding::Zstd));
transport!(grpc_uncompressed_by_simd_delivers_every_span_equal with simd:
    otlp_grpc, none to grpc as (Transport::Grpc, ContentType::Protobuf, Encoding::Identity));
transport!(grpc_with_gzip_by_simd_delivers_every_span_equal with simd:
    otlp_grpc, gzip to grpc as (Transport::Grpc, ContentType::Protobuf, Encoding::Gzip));
transport!(grpc_with_zstd_by_simd_delivers_every_span_equal with simd:
    otlp_grpc, zstd to grpc as (Transport::Grpc, ContentType::Protobuf, Encoding::Zstd));

#[test]
fn environment_alone_chooses_grpc_and_its_compression() {
    let loopback = Loopback::start();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", loopback.grpc()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue%20whale"),
        ("OTEL_SERVICE_NAME", "from-the-environment"),
    ];
    let delivered = alone(
        "environment_alone_chooses_grpc_and_its_compression",
        &variables,
        || {
            let guard = otel_enhance::init!().unwrap();
            item(1);
            guard.shutdown().unwrap();
            assert_eq!(guard.delivery().exported, 1);
            assert_eq!(guard.diagnostics().as_slice().len(), 0);
        },
    );
    if delivered {
        let stored = &loopback.wait(1)[0];
        assert_eq!(
            value(&stored.resource.attributes, "service.name"),
            &text("from-the-environment")
        );
        let request = &loopback.store().requests()[0];
        assert_eq!(request.encoding, Encoding::Gzip);
        assert_eq!(request.head.header("x-tenant"), Some("blue whale"));
    }
}
