//! A request written down byte by byte from the specification: what holds when we and the official
//! encoder err together.

use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use super::encode;
use crate::encode::batch::BatchEncoder;
use crate::encode::protobuf::Protobuf;
use crate::export::testing::span;

pub(super) fn resource() -> Resource {
    Resource::builder_empty()
        .with_schema_url([KeyValue::new("service.name", "shop")], "r")
        .build()
}

/// A span with something in every field.
pub(super) fn full() -> SpanData {
    let context = |id: u64, state: &str| {
        SpanContext::new(
            TraceId::from(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            SpanId::from(id),
            TraceFlags::SAMPLED,
            false,
            state.parse().unwrap(),
        )
    };
    let mut full = span("cart");
    full.span_context = context(0x1112_1314_1516_1718, "a=1,b=2");
    full.parent_span_id = SpanId::from(0x2122_2324_2526_2728);
    full.parent_span_is_remote = true;
    full.span_kind = SpanKind::Server;
    full.start_time = UNIX_EPOCH + Duration::from_nanos(0x0102);
    full.end_time = UNIX_EPOCH + Duration::from_nanos(0x0304);
    full.attributes = vec![
        KeyValue::new("s", "t"),
        KeyValue::new("i", 300),
        KeyValue::new("n", -1),
        KeyValue::new("b", true),
        KeyValue::new("d", 1.0),
        KeyValue::new("l", Value::Array(Array::I64(vec![1, 2]))),
        KeyValue::new("", ""),
    ];
    full.dropped_attributes_count = 1;
    full.events.events = vec![Event::new(
        "e",
        UNIX_EPOCH + Duration::from_nanos(5),
        vec![KeyValue::new("k", false)],
        2,
    )];
    full.events.dropped_count = 3;
    full.links.links = vec![Link::new(context(0x3132_3334_3536_3738, ""), vec![], 4)];
    full.links.dropped_count = 200;
    full.status = Status::error("no");
    full.instrumentation_scope = InstrumentationScope::builder("lib")
        .with_version("1")
        .with_schema_url("u")
        .build();
    full
}

#[test]
fn span_with_every_field_has_the_bytes_of_the_specification() {
    let trace_id: Vec<u8> = (1..=16).collect();
    let id = |first: u8| (first..first + 8).collect::<Vec<u8>>();
    let field = |tag: u8, content: &[&[u8]]| {
        let content = content.concat();
        let mut bytes = vec![tag];
        match content.len() {
            len @ 0..0x80 => bytes.push(len as u8),
            len => bytes.extend([len as u8 | 0x80, (len >> 7) as u8]),
        }
        bytes.extend(content);
        bytes
    };
    let attribute = |tag: u8, key: &str, value: &[u8]| {
        field(
            tag,
            &[&field(0x0A, &[key.as_bytes()]), &field(0x12, &[value])],
        )
    };
    let event = field(
        0x5A,
        &[
            b"\x09\x05\0\0\0\0\0\0\0\x12\x01e",
            &attribute(0x1A, "k", b"\x10\0"),
            b"\x20\x02",
        ],
    );
    let link = field(
        0x6A,
        &[
            &field(0x0A, &[&trace_id]),
            &field(0x12, &[&id(0x31)]),
            b"\x28\x04\x35\x01\x01\0\0",
        ],
    );
    let span = field(
        0x12,
        &[
            &field(0x0A, &[&trace_id]),
            &field(0x12, &[&id(0x11)]),
            b"\x1A\x07a=1,b=2",
            &field(0x22, &[&id(0x21)]),
            b"\x2A\x04cart\x30\x02",
            b"\x39\x02\x01\0\0\0\0\0\0\x41\x04\x03\0\0\0\0\0\0",
            &attribute(0x4A, "s", b"\x0A\x01t"),
            &attribute(0x4A, "i", b"\x18\xAC\x02"),
            &attribute(0x4A, "n", b"\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"),
            &attribute(0x4A, "b", b"\x10\x01"),
            &attribute(0x4A, "d", b"\x21\0\0\0\0\0\0\xF0\x3F"),
            &attribute(0x4A, "l", b"\x2A\x08\x0A\x02\x18\x01\x0A\x02\x18\x02"),
            b"\x4A\x04\x12\x02\x0A\0",
            b"\x50\x01",
            &event,
            b"\x60\x03",
            &link,
            b"\x70\xC8\x01",
            b"\x7A\x06\x12\x02no\x18\x02",
            b"\x85\x01\x01\x03\0\0",
        ],
    );
    let scope = field(
        0x12,
        &[b"\x0A\x08\x0A\x03lib\x12\x011", &span, b"\x1A\x01u"],
    );
    let resource_attribute = attribute(0x0A, "service.name", b"\x0A\x04shop");
    let expected = field(
        0x0A,
        &[&field(0x0A, &[&resource_attribute]), &scope, b"\x1A\x01r"],
    );

    let mut encoder = BatchEncoder::<Protobuf>::new(&resource());
    assert_eq!(*encode(&mut encoder, &[full()]), *expected);
}

#[test]
fn batch_of_none_is_a_resource_without_scopes() {
    let mut encoder = BatchEncoder::<Protobuf>::new(&resource());
    assert_eq!(
        *encode(&mut encoder, &[]),
        *b"\x0A\x1D\x0A\x18\x0A\x16\x0A\x0Cservice.name\x12\x06\x0A\x04shop\x1A\x01r"
    );
}
