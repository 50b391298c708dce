//! Any batches, one after the other through one encoder: the bytes are the official ones.
#![no_main]

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use otel_enhance::extensions::simd::SpanEncoder;
use otel_enhance_fuzz::{batches, official, resource};
use prost::Message;

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let Ok(resource) = resource(&mut input) else {
        return;
    };
    let mut encoder = SpanEncoder::protobuf(&resource);
    let mut kept = Vec::new();
    for (index, batch) in batches(&mut input).into_iter().enumerate() {
        let expected = official(&batch, &resource).encode_to_vec();
        let ours = if index % 2 == 0 {
            encoder.encode_from(&batch)
        } else {
            encoder.encode(batch)
        };
        assert_eq!(ours, expected);
        kept.push((ours, expected));
    }
    // Buffers that are used again are not those of requests that are kept.
    for (ours, expected) in kept {
        assert_eq!(ours, expected);
    }
});
