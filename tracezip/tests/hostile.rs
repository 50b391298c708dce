//! Whatever a decoder is given, it neither panics nor changes.
#![expect(clippy::expect_used, reason = "a helper that fails, fails its test")]

mod common;

use common::{Random, request};
use proptest::prelude::*;
use tracezip::{Acknowledgement, DecodeError, Decoder, Encoder, Limits};

/// A decoder in the middle of a stream, the next frame, and what that decodes to.
fn in_the_middle() -> (Decoder, Vec<u8>, Vec<u8>) {
    let mut encoder = Encoder::new([9; 16]);
    let mut decoder = Decoder::new(1, Limits::default());
    for index in 0..5 {
        let (mut frame, mut out) = (Vec::new(), Vec::new());
        encoder.encode(&request(index), &mut frame);
        let answer = decoder.decode(0, &frame, &mut out).expect("ours").answer;
        encoder.acknowledge(&answer.expect("an answer"));
    }
    let mut frame = Vec::new();
    encoder.encode(&request(77), &mut frame);
    (decoder, frame, request(77))
}

#[test]
fn decoder_given_every_truncation_refuses_and_keeps_its_state() {
    let (mut decoder, frame, expected) = in_the_middle();
    let size = decoder.state_bytes();
    for len in 0..frame.len() {
        let mut out = vec![1, 2, 3];
        assert!(decoder.decode(0, &frame[..len], &mut out).is_err(), "{len}");
        assert_eq!(out, [1, 2, 3], "{len}");
    }
    assert_eq!(decoder.state_bytes(), size);
    let mut out = Vec::new();
    decoder
        .decode(0, &frame, &mut out)
        .expect("the whole frame");
    assert_eq!(out, expected);
}

#[test]
fn decoder_given_any_flipped_bit_refuses_or_decodes_the_same() {
    let (mut decoder, frame, expected) = in_the_middle();
    let mut out = Vec::new();
    for at in 0..frame.len() {
        for bit in 0..8 {
            let mut flipped = frame.clone();
            flipped[at] ^= 1 << bit;
            out.clear();
            // Whether the models are kept, and the number that a frame has, are not guarded by the hash of what
            // it decodes to.
            if decoder.decode(0, &flipped, &mut out).is_ok() {
                assert_eq!(out, expected, "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn decoder_given_a_repeated_frame_says_so() {
    let (mut decoder, frame, expected) = in_the_middle();
    for repeated in [false, true, true] {
        let mut out = Vec::new();
        let decoded = decoder.decode(0, &frame, &mut out).expect("ours");
        assert_eq!((out, decoded.repeated), (expected.clone(), repeated));
    }
}

#[test]
fn decoder_given_the_stream_of_another_principal_has_lost_its_state() {
    let (mut decoder, frame, _) = in_the_middle();
    let result = decoder.decode(1, &frame, &mut Vec::new());
    assert_eq!(result, Err(DecodeError::StateLost));
    let refusal = decoder.refusal(&frame).expect("a frame");
    assert!(refusal.state_lost);
}

/// Frame by frame, the sizes of a stream whose principal is one of so many.
fn sizes_among(others: u64) -> Vec<usize> {
    let mut decoder = Decoder::new(1, Limits::default());
    for other in 1..=others {
        let (mut id, mut frame) = ([0; 16], Vec::new());
        id[..8].copy_from_slice(&other.to_le_bytes());
        Encoder::new(id).encode(b"any", &mut frame);
        decoder
            .decode(other, &frame, &mut Vec::new())
            .expect("ours");
    }
    let mut encoder = Encoder::new([9; 16]);
    let frames = (0..6).map(|number| {
        let mut frame = Vec::new();
        encoder.encode(&request(number), &mut frame);
        let decoded = decoder.decode(0, &frame, &mut Vec::new()).expect("ours");
        encoder.acknowledge(&decoded.answer.expect("an answer"));
        frame.len()
    });
    frames.collect()
}

#[test]
fn frames_are_as_long_however_many_streams_others_have() {
    // A handle takes two bytes from the 127th stream on.
    assert_eq!(sizes_among(0), sizes_among(200));
}

#[test]
fn decoder_given_the_stream_of_a_principal_again_after_it_was_dropped_begins_it_anew() {
    let mut decoder = Decoder::new(1, Limits::default());
    let mut encoders = [[1; 16], [2; 16], [3; 16]].map(Encoder::new);
    for round in 0..30 {
        // Two are of one principal, and each is dropped now and then, so that handles are given anew.
        for (at, encoder) in encoders.iter_mut().enumerate() {
            if (round + at as u64).is_multiple_of(5) {
                continue;
            }
            let principal = at as u64 / 2;
            for attempt in 0..2 {
                let (mut frame, mut out) = (Vec::new(), Vec::new());
                encoder.encode(&request(round), &mut frame);
                match decoder.decode(principal, &frame, &mut out) {
                    Ok(decoded) => {
                        assert_eq!(out, request(round));
                        encoder.acknowledge(&decoded.answer.expect("an answer"));
                        break;
                    }
                    Err(error) => {
                        assert_eq!((error, attempt), (DecodeError::StateLost, 0));
                        encoder.acknowledge(&decoder.refusal(&frame).expect("a frame"));
                    }
                }
            }
        }
        decoder.expire(2);
    }
}

#[test]
fn decoder_given_a_size_over_the_limit_refuses_before_it_expands() {
    let mut frame = Vec::new();
    Encoder::new([9; 16]).encode(&vec![0; 5000], &mut frame);
    assert!(frame.len() < 200);
    let mut decoder = Decoder::new(1, Limits::default().with_decoded_bytes(4999));
    let result = decoder.decode(0, &frame, &mut Vec::new());
    assert!(
        matches!(result, Err(DecodeError::TooLarge { limit: 4999, .. })),
        "{result:?}"
    );
}

#[test]
fn decoder_given_more_streams_than_fit_drops_the_oldest() {
    let mut decoder = Decoder::new(1, Limits::default().with_total_state_bytes(200_000));
    for stream in 0..100_u8 {
        let mut frame = Vec::new();
        Encoder::new([stream; 16]).encode(&request(u64::from(stream)), &mut frame);
        decoder.decode(0, &frame, &mut Vec::new()).expect("ours");
        assert!(decoder.state_bytes() <= 200_000 || decoder.streams() == 1);
    }
    assert!(decoder.streams() < 100);
}

#[test]
fn answers_come_back_from_their_bytes() {
    let answer = Acknowledgement {
        instance: u64::MAX,
        handle: 300,
        epoch: 2,
        sequence: 1 << 40,
        state_lost: true,
    };
    let mut bytes = Vec::new();
    answer.put(&mut bytes);
    assert_eq!(Acknowledgement::read(&bytes), Ok(answer));
    for len in 0..bytes.len() {
        assert!(Acknowledgement::read(&bytes[..len]).is_err());
    }
}

proptest! {
    #[test]
    fn decoder_given_any_bytes_does_not_panic(mut bytes in any::<Vec<u8>>(), flags in any::<u8>()) {
        let mut decoder = Decoder::new(1, Limits::default());
        let _ = decoder.decode(0, &bytes, &mut Vec::new());
        // With a plausible head, it gets further.
        bytes.splice(0..0, [7, 0x10 | flags & 0x0f]);
        let _ = decoder.decode(0, &bytes, &mut Vec::new());
    }

    #[test]
    fn decoder_given_mangled_frames_does_not_panic(seed in any::<u64>()) {
        let (mut decoder, frame, _) = in_the_middle();
        let random = &mut Random(seed);
        for _ in 0..20 {
            let mut bytes = frame.clone();
            common::mutate(&mut bytes, random);
            let _ = decoder.decode(0, &bytes, &mut Vec::new());
        }
    }
}
