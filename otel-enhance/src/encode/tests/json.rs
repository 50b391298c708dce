use opentelemetry::{Array, KeyValue, Value as Attribute};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::golden::{full, resource};
use super::none::numbers_that_are_none_as_null;
use super::{arbitrary, config, encode, official};
use crate::encode::batch::BatchEncoder;
use crate::encode::json::Json;
use crate::export::testing::span;

/// Ours as a value. It is on one line.
fn ours(encoder: &mut BatchEncoder<Json>, batch: &[SpanData]) -> Value {
    let bytes = encode(encoder, batch);
    assert!(!bytes.contains(&b'\n'));
    serde_json::from_slice(&bytes).unwrap()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn json_of_any_batches_is_the_official_one_but_for_numbers_that_are_none(
        resource in arbitrary::resource(),
        batches in arbitrary::batches(),
    ) {
        let mut encoder = BatchEncoder::<Json>::new(&resource);
        for batch in batches {
            // Through text: a number is what it is read as.
            let expected = serde_json::to_string(&official(&batch, &resource)).unwrap();
            let expected: Value = serde_json::from_str(&expected).unwrap();
            let mut ours = ours(&mut encoder, &batch);
            numbers_that_are_none_as_null(&mut ours);
            prop_assert_eq!(ours, expected);
        }
    }
}

#[test]
fn json_of_numbers_that_are_none_is_protobufs_text_for_them() {
    let mut span = span("s");
    span.attributes = vec![
        KeyValue::new("nan", f64::NAN),
        KeyValue::new("up", f64::INFINITY),
        KeyValue::new("down", f64::NEG_INFINITY),
        KeyValue::new(
            "list",
            Attribute::Array(Array::F64(vec![f64::NAN, 1e300, -0.0])),
        ),
    ];
    let mut encoder = BatchEncoder::<Json>::new(&Resource::builder_empty().build());
    let made = ours(&mut encoder, &[span]);
    let span = &made["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    let value = |index: usize| &span["attributes"][index]["value"];
    assert_eq!(*value(0), json!({"doubleValue": "NaN"}));
    assert_eq!(*value(1), json!({"doubleValue": "Infinity"}));
    assert_eq!(*value(2), json!({"doubleValue": "-Infinity"}));
    let list = json!({"arrayValue": {"values": [
        {"doubleValue": "NaN"}, {"doubleValue": 1e300}, {"doubleValue": -0.0},
    ]}});
    assert_eq!(*value(3), list);
}

#[test]
fn json_of_a_span_with_every_field_is_that_of_the_specification() {
    let trace_id = "0102030405060708090a0b0c0d0e0f10";
    let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
    let expected = json!({"resourceSpans": [{
        "resource": {
            "attributes": [attribute("service.name", json!({"stringValue": "shop"}))],
            "droppedAttributesCount": 0,
            "entityRefs": [],
        },
        "scopeSpans": [{
            "scope": {"name": "lib", "version": "1", "attributes": [], "droppedAttributesCount": 0},
            "spans": [{
                "traceId": trace_id,
                "spanId": "1112131415161718",
                "traceState": "a=1,b=2",
                "parentSpanId": "2122232425262728",
                "flags": 0x301,
                "name": "cart",
                "kind": 2,
                "startTimeUnixNano": "258",
                "endTimeUnixNano": "772",
                "attributes": [
                    attribute("s", json!({"stringValue": "t"})),
                    attribute("i", json!({"intValue": "300"})),
                    attribute("n", json!({"intValue": "-1"})),
                    attribute("b", json!({"boolValue": true})),
                    attribute("d", json!({"doubleValue": 1.0})),
                    attribute("l", json!({"arrayValue": {"values": [{"intValue": "1"}, {"intValue": "2"}]}})),
                    attribute("", json!({"stringValue": ""})),
                ],
                "droppedAttributesCount": 1,
                "events": [{
                    "timeUnixNano": "5",
                    "name": "e",
                    "attributes": [attribute("k", json!({"boolValue": false}))],
                    "droppedAttributesCount": 2,
                }],
                "droppedEventsCount": 3,
                "links": [{
                    "traceId": trace_id,
                    "spanId": "3132333435363738",
                    "traceState": "",
                    "attributes": [],
                    "droppedAttributesCount": 4,
                    "flags": 0x101,
                }],
                "droppedLinksCount": 200,
                "status": {"message": "no", "code": 2},
            }],
            "schemaUrl": "u",
        }],
        "schemaUrl": "r",
    }]});
    let mut encoder = BatchEncoder::<Json>::new(&resource());
    assert_eq!(ours(&mut encoder, &[full()]), expected);
}

#[test]
fn json_of_a_batch_of_none_is_a_resource_without_scopes() {
    let mut encoder = BatchEncoder::<Json>::new(&resource());
    let made = ours(&mut encoder, &[]);
    assert_eq!(made["resourceSpans"][0]["scopeSpans"], json!([]));
    assert_eq!(made["resourceSpans"][0]["schemaUrl"], "r");
}
