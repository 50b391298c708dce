use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use proptest::prelude::*;
use prost::Message;

use super::{arbitrary, config, encode, official};
use crate::encode::batch::BatchEncoder;
use crate::encode::protobuf::Protobuf;
use crate::export::testing::span;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn protobuf_of_any_batches_is_the_official_one_to_the_byte(
        resource in arbitrary::resource(),
        batches in arbitrary::batches(),
    ) {
        let mut encoder = BatchEncoder::<Protobuf>::new(&resource);
        for batch in batches {
            let expected = official(&batch, &resource).encode_to_vec();
            prop_assert_eq!(&*encode(&mut encoder, &batch), &*expected);
        }
    }
}

#[test]
fn request_with_more_scopes_than_are_remembered_is_the_official_one_and_so_is_the_next() {
    let resource = Resource::builder_empty().with_service_name("shop").build();
    let mut encoder = BatchEncoder::<Protobuf>::new(&resource);
    for round in 0..3 {
        let mut batch = Vec::new();
        for index in 0..900 {
            let mut span = span("s");
            // Two spans of each scope, far from each other; the scopes of the rounds overlap.
            let scope = format!("scope {}", index % 450 + round * 100);
            span.instrumentation_scope = InstrumentationScope::builder(scope).build();
            batch.push(span);
        }
        let expected = official(&batch, &resource).encode_to_vec();
        assert!(*encode(&mut encoder, &batch) == *expected);
    }
}

#[test]
fn scope_known_with_other_order_of_attributes_is_written_as_the_batchs_first_span_has_it() {
    let (a, b) = (KeyValue::new("a", 1), KeyValue::new("b", 2));
    let scoped = |attributes: [&KeyValue; 2]| {
        let mut span = span("s");
        span.instrumentation_scope = InstrumentationScope::builder("shop")
            .with_attributes(attributes.map(Clone::clone))
            .build();
        span
    };
    let resource = Resource::builder_empty().build();
    let mut encoder = BatchEncoder::<Protobuf>::new(&resource);
    let (ab, ba) = (scoped([&a, &b]), scoped([&b, &a]));
    for batch in [
        vec![ab.clone()],
        vec![ba.clone(), ab.clone()],
        vec![ab.clone(), ba.clone()],
        vec![ba.clone()],
    ] {
        let expected = official(&batch, &resource);
        assert_eq!(expected.resource_spans[0].scope_spans.len(), 1);
        assert_eq!(*encode(&mut encoder, &batch), *expected.encode_to_vec());
    }
}

#[test]
fn request_that_is_kept_is_not_written_over_by_the_next() {
    let resource = Resource::builder_empty().build();
    let mut encoder = BatchEncoder::<Protobuf>::new(&resource);
    let kept = encode(&mut encoder, &[span("first")]);
    let before = kept.to_vec();
    for _ in 0..20 {
        drop(encode(&mut encoder, &[span("second"), span("third")]));
    }
    assert_eq!(*kept, *before);
}
