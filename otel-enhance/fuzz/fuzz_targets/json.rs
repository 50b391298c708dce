//! Any batches, one after the other through one encoder: as JSON, they are equal to the official ones, but
//! for numbers that are none, which serde writes as `null`.
#![no_main]

#[path = "../../src/encode/tests/none.rs"]
mod none;

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use otel_enhance::extensions::simd::SpanEncoder;
use otel_enhance_fuzz::{batches, official, resource};
use serde_json::Value;

use self::none::numbers_that_are_none_as_null;

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let Ok(resource) = resource(&mut input) else {
        return;
    };
    let mut encoder = SpanEncoder::json(&resource);
    for batch in batches(&mut input) {
        let expected = serde_json::to_vec(&official(&batch, &resource)).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let ours = encoder.encode(batch);
        assert!(!ours.contains(&b'\n'));
        let mut ours: Value = serde_json::from_slice(&ours).unwrap();
        numbers_that_are_none_as_null(&mut ours);
        assert_eq!(ours, expected);
    }
});
