//! What is decoded is what was encoded, byte for byte, whatever it was.
#![expect(clippy::expect_used, reason = "a helper that fails, fails its test")]

mod common;

use std::collections::VecDeque;

use common::{Random, fixed64, len_field, mutate, number, request};
use proptest::prelude::*;
use tracezip::{DecodeError, Decoder, Encoder, IdKey, Limits};

fn round_trip(encoder: &mut Encoder, decoder: &mut Decoder, bytes: &[u8]) {
    let (mut frame, mut out) = (Vec::new(), Vec::new());
    encoder.encode(bytes, &mut frame);
    let decoded = decoder
        .decode(0, &frame, &mut out)
        .expect("a frame of ours");
    assert!(out == bytes, "other bytes came back");
    if let Some(answer) = decoded.answer {
        encoder.acknowledge(&answer);
    }
}

fn pair() -> (Encoder, Decoder) {
    (Encoder::new([1; 16]), Decoder::new(1, Limits::default()))
}

/// Spans of one shape, a request each, with an attribute and an event's attribute of this value.
fn spans_with(values: impl Iterator<Item = Vec<u8>>, random: &mut Random) -> Vec<Vec<u8>> {
    let attribute = |value: &[u8]| {
        let mut out = Vec::new();
        len_field(1, b"key", &mut out);
        len_field(2, value, &mut out);
        out
    };
    values
        .map(|value| {
            let [mut event, mut span, mut spans, mut scope, mut out] = [const { Vec::new() }; 5];
            fixed64(1, 1_750_000_000_000_000_000, &mut event);
            len_field(2, b"an event", &mut event);
            len_field(3, &attribute(&value), &mut event);
            let trace = [random.next(), random.next()].map(u64::to_le_bytes);
            len_field(1, &trace.concat(), &mut span);
            len_field(2, &random.next().to_le_bytes(), &mut span);
            len_field(5, b"a span", &mut span);
            fixed64(7, 1_750_000_000_000_000_000, &mut span);
            fixed64(
                8,
                1_750_000_000_000_000_000 + random.below(1 << 20),
                &mut span,
            );
            len_field(9, &attribute(&value), &mut span);
            len_field(11, &event, &mut span);
            len_field(2, &span, &mut spans);
            len_field(2, &spans, &mut scope);
            len_field(1, &scope, &mut out);
            out
        })
        .collect()
}

/// Lengths around those that take another byte: where one step of a leaf gives way to several.
#[test]
fn attributes_of_every_length_come_back() {
    let random = &mut Random(7);
    let texts = (0..300).map(|len| {
        let text: Vec<u8> = (0..len).map(|_| b'a' + random.below(26) as u8).collect();
        let mut value = Vec::new();
        len_field(1, &text, &mut value);
        value
    });
    let texts: Vec<_> = texts.collect();
    let numbers = (0..64).map(|bit| {
        let mut value = Vec::new();
        number(3, 1 << bit, &mut value);
        value
    });
    let (mut encoder, mut decoder) = pair();
    let mut odd = 0;
    for request in spans_with(texts.into_iter().chain(numbers), random) {
        round_trip(&mut encoder, &mut decoder, &request);
        odd += usize::from(encoder.encode(&request, &mut Vec::new()).fallback);
    }
    assert_eq!(odd, 0, "spans that were written as they are");
}

proptest! {
    #[test]
    fn any_bytes_come_back(bytes in any::<Vec<u8>>()) {
        let (mut encoder, mut decoder) = pair();
        round_trip(&mut encoder, &mut decoder, &bytes);
    }

    #[test]
    fn generated_requests_come_back_in_one_stream(seed in any::<u64>(), contained in any::<bool>()) {
        let (encoder, mut decoder) = pair();
        let mut encoder = encoder.with_self_contained(contained);
        for index in 0..12 {
            round_trip(&mut encoder, &mut decoder, &request(seed ^ index));
        }
    }

    #[test]
    fn requests_at_any_level_come_back(seed in any::<u64>(), level in any::<u8>()) {
        let (encoder, mut decoder) = pair();
        let mut encoder = encoder.with_level(level);
        for index in 0..4 {
            round_trip(&mut encoder, &mut decoder, &request(seed ^ index));
        }
    }

    #[test]
    fn mutated_requests_come_back(seed in any::<u64>()) {
        let (mut encoder, mut decoder) = pair();
        let random = &mut Random(seed);
        let original = request(seed);
        for _ in 0..8 {
            let mut bytes = original.clone();
            mutate(&mut bytes, random);
            round_trip(&mut encoder, &mut decoder, &bytes);
        }
    }

    #[test]
    fn requests_with_keys_come_back(seed in any::<u64>()) {
        let (mut encoder, mut decoder) = pair();
        encoder.set_id_keys(&[IdKey::of_process([3; 32]), IdKey::of_fleet([4; 32])]);
        for index in 0..8 {
            round_trip(&mut encoder, &mut decoder, &request(seed ^ index));
        }
    }

    /// Frames are lost, repeated and late, answers too, and receivers forget everything.
    #[test]
    fn frames_on_a_bad_network_come_back_or_are_refused(seed in any::<u64>()) {
        let random = &mut Random(seed);
        let mut encoder = Encoder::new([1; 16]);
        let mut decoders = [Decoder::new(1, Limits::default()), Decoder::new(2, Limits::default())];
        let mut instances = 2;
        let mut network = VecDeque::new();
        let mut answers = VecDeque::new();
        let (mut decoded_any, mut out) = (0, Vec::new());
        for index in 0..60_u64 {
            let bytes = request(seed ^ (index % 7));
            let mut frame = Vec::new();
            encoder.encode(&bytes, &mut frame);
            network.push_back((bytes, frame));
            while network.len() > random.below(6) as usize {
                let at = random.below(network.len() as u64) as usize;
                let (bytes, frame) = if random.one_in(10) {
                    network[at].clone()
                } else {
                    network.remove(at).expect("within")
                };
                if random.one_in(10) {
                    continue;
                }
                let decoder = &mut decoders[usize::from(index > 30 && random.one_in(2))];
                out.clear();
                match decoder.decode(0, &frame, &mut out) {
                    Ok(decoded) => {
                        prop_assert!(out == bytes);
                        decoded_any += 1;
                        answers.extend(decoded.answer);
                    }
                    Err(DecodeError::StateLost) => answers.extend(decoder.refusal(&frame)),
                    Err(error) => prop_assert!(false, "{}", error),
                }
                if random.one_in(15) {
                    instances += 1;
                    *decoder = Decoder::new(instances, Limits::default());
                }
            }
            while answers.len() > random.below(6) as usize {
                let answer = answers.pop_front().expect("one");
                if !random.one_in(10) {
                    encoder.acknowledge(&answer);
                }
            }
        }
        prop_assert!(decoded_any > 5);
    }
}

/// `TRACEZIP_CORPORA=DIR cargo test -p tracezip --release -- --ignored`: files of length-delimited requests.
#[test]
#[ignore = "reads a folder that the environment names"]
fn corpora_come_back() {
    let folder = std::env::var("TRACEZIP_CORPORA").expect("TRACEZIP_CORPORA");
    let mut folders = vec![std::path::PathBuf::from(folder)];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(file) = std::fs::File::open(&path) else {
                continue;
            };
            let bytes = match path.extension().and_then(|extension| extension.to_str()) {
                Some("zst") => zstd::stream::decode_all(file).expect("zstd"),
                Some("pbld") => std::fs::read(&path).expect("a file"),
                _ => continue,
            };
            files += 1;
            let (mut encoder, mut decoder) = pair();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (mut len, mut shift) = (0, 0);
                loop {
                    let byte = rest[0];
                    rest = &rest[1..];
                    len |= usize::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte < 0x80 {
                        break;
                    }
                }
                round_trip(&mut encoder, &mut decoder, &rest[..len]);
                rest = &rest[len..];
            }
        }
    }
    assert!(files > 0);
}
