//! Frozen frames of version 1: every later version decodes them to what they were made from.
//!
//! `golden/v1/NAME.frames` holds frames of one or several streams, each after its length as a varint; `NAME.txt` has a
//! line for each: the length and the XXH3-64 of what it decodes to. `python/decode.py` decodes them too.
#![expect(clippy::expect_used, reason = "a helper that fails, fails its test")]

mod common;

use std::collections::VecDeque;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use common::{Random, request};
use tracezip::{Decoder, Encoder, IdKey, IdPermutation, Limits};
use xxhash_rust::xxh3::xxh3_64;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn line(decoded: &[u8]) -> String {
    format!("{} {:016x}\n", decoded.len(), xxh3_64(decoded))
}

fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut frames, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (mut len, mut at) = (0_usize, 0);
        loop {
            len |= usize::from(rest[at] & 0x7f) << (7 * at);
            at += 1;
            if rest[at - 1] < 0x80 {
                break;
            }
        }
        frames.push(&rest[at..at + len]);
        rest = &rest[at + len..];
    }
    frames
}

#[test]
fn frozen_frames_decode_to_what_they_were_made_from() {
    let mut names = 0;
    for entry in std::fs::read_dir(folder()).expect("the vectors") {
        let path = entry.expect("a file").path();
        if path
            .extension()
            .is_none_or(|extension| extension != "frames")
        {
            continue;
        }
        names += 1;
        let bytes = std::fs::read(&path).expect("frames");
        let expected = std::fs::read_to_string(path.with_extension("txt")).expect("lines");
        let mut decoder = Decoder::new(1, Limits::default());
        let mut lines = String::new();
        for (number, frame) in frames(&bytes).into_iter().enumerate() {
            let mut out = Vec::new();
            let decoded = decoder.decode(0, frame, &mut out);
            assert!(decoded.is_ok(), "{path:?}, frame {number}: {decoded:?}");
            lines += &line(&out);
        }
        assert_eq!(lines, expected, "{path:?}");
    }
    assert!(names >= 7, "{names} files");
}

#[test]
fn dictionary_is_the_one_of_version_1() {
    // Whoever changes it changes the format.
    let dictionary = include_bytes!("../dictionary/v1.bin");
    assert_eq!(xxh3_64(dictionary), 0x84fa_7dd4_b638_663e);
}

/// Frames of one stream as they are made.
struct Recorder {
    encoder: Encoder,
    decoder: Decoder,
    answers: VecDeque<tracezip::Acknowledgement>,
    late: usize,
    frames: Vec<u8>,
    lines: String,
}

impl Recorder {
    fn new(encoder: Encoder, late: usize) -> Self {
        Self {
            encoder,
            decoder: Decoder::new(1, Limits::default()),
            answers: VecDeque::new(),
            late,
            frames: Vec::new(),
            lines: String::new(),
        }
    }

    fn put(&mut self, request: &[u8]) {
        let (mut frame, mut out) = (Vec::new(), Vec::new());
        self.encoder.encode(request, &mut frame);
        let decoded = self.decoder.decode(0, &frame, &mut out).expect("ours");
        assert_eq!(out, request);
        self.answers.extend(decoded.answer);
        if self.answers.len() > self.late {
            let answer = self.answers.pop_front();
            self.encoder.acknowledge(&answer.expect("just counted"));
        }
        let mut len = frame.len();
        while len >= 0x80 {
            self.frames.push(len as u8 | 0x80);
            len >>= 7;
        }
        self.frames.push(len as u8);
        self.frames.extend_from_slice(&frame);
        write!(self.lines, "{}", line(request)).expect("memory");
    }

    fn write(&self, name: &str) {
        let path = folder().join(name);
        std::fs::create_dir_all(folder()).expect("the folder");
        std::fs::write(path.with_extension("frames"), &self.frames).expect("frames");
        std::fs::write(path.with_extension("txt"), &self.lines).expect("lines");
    }
}

/// A request of the spans of one scope.
fn request_of(spans: &[u8]) -> Vec<u8> {
    let (mut resource, mut request) = (Vec::new(), Vec::new());
    common::len_field(2, spans, &mut resource);
    common::len_field(1, &resource, &mut request);
    request
}

/// A request of spans whose ids are made with a key, by two threads.
fn keyed(ids: &IdPermutation, number: u64, random: &mut Random) -> Vec<u8> {
    let mut spans = Vec::new();
    for at in 0..24_u64 {
        let thread = at % 2;
        let counter = 256 * (1 + thread) + number * 12 + at / 2;
        let trace = ids.trace_id(77, 256 * (5 + thread) + (number * 24 + at) / 8);
        let mut span = Vec::new();
        common::len_field(1, &trace, &mut span);
        common::len_field(2, &ids.span_id(counter), &mut span);
        if at % 8 >= 2 {
            common::len_field(4, &ids.span_id(counter - 1), &mut span);
        } else if at % 3 == 0 {
            common::len_field(4, &random.next().to_le_bytes(), &mut span);
        }
        common::len_field(5, b"GET /cart/{id}", &mut span);
        let start = 1_700_000_000_000_000_000 + number * 1_000_000_000 + at * 1_001_000;
        common::fixed64(7, start, &mut span);
        common::fixed64(8, start + 1000 * (5 + random.below(90)), &mut span);
        common::len_field(2, &span, &mut spans);
    }
    request_of(&spans)
}

/// Makes new vectors: once version 1 is released, only of a new version.
#[test]
#[ignore = "writes the vectors"]
fn vectors_are_written() {
    let encoder = || Encoder::new([0xa7; 16]);
    let mut all = Recorder::new(encoder(), 3);
    for number in 0..40 {
        all.put(&request(number));
    }
    all.write("answers-late");

    let mut alone = Recorder::new(encoder().with_self_contained(true), 0);
    for number in 0..8 {
        alone.put(&request(100 + number));
    }
    alone.write("self-contained");

    let mut epochs = Recorder::new(encoder(), 0);
    for number in 0..12 {
        if number % 4 == 3 {
            epochs.encoder.new_epoch();
            epochs.answers.clear();
        }
        epochs.put(&request(200 + number));
    }
    epochs.write("epochs");

    for (name, fleet) in [("process-key", false), ("fleet-key", true)] {
        let key = if fleet {
            IdKey::of_fleet([0x3c; 32])
        } else {
            IdKey::of_process([0x5e; 32])
        };
        let ids = IdPermutation::new(&key);
        let mut keys = Recorder::new(encoder(), 1);
        keys.encoder.set_id_keys(&[key]);
        let mut random = Random(9);
        for number in 0..8 {
            keys.put(&keyed(&ids, number, &mut random));
        }
        keys.write(name);
    }

    let mut odd = Recorder::new(encoder(), 1);
    let mut random = Random(5);
    odd.put(b"");
    odd.put(b"no request at all");
    let noise: Vec<u8> = (0..3000).map(|_| random.next() as u8).collect();
    odd.put(&noise);
    odd.put(&[0x0a; 700]);
    for number in 0..12 {
        let mut bytes = request(300 + number);
        common::mutate(&mut bytes, &mut random);
        odd.put(&bytes);
    }
    // Spans whose shapes say more than they do: such requests are stored.
    for _ in 0..2 {
        let (mut span, mut scope) = (Vec::new(), Vec::new());
        for _ in 0..500 {
            common::number(9 + random.below(2000), random.below(128), &mut span);
        }
        common::len_field(2, &span, &mut scope);
        let (mut resource, mut request) = (Vec::new(), Vec::new());
        common::len_field(2, &scope, &mut resource);
        common::len_field(1, &resource, &mut request);
        odd.put(&request);
    }
    odd.write("invalid");

    let mut full = Recorder::new(encoder(), 1);
    for number in 0..30 {
        full.put(&many_shapes(number));
    }
    full.write("models-spent");

    let mut new = Recorder::new(encoder(), 1);
    let mut random = Random(11);
    for _ in 0..4 {
        new.put(&new_integers(&mut random));
    }
    new.write("integers-new");
}

/// Integers of every length in bits that are new for long, and now and then one that is not.
fn new_integers(random: &mut Random) -> Vec<u8> {
    let mut spans = Vec::new();
    for at in 0..150_u64 {
        let (mut any, mut pair, mut span) = (Vec::new(), Vec::new(), Vec::new());
        let value = match at % 19 {
            18 => 77,
            _ => (1 << (random.below(64))) ^ (random.next() >> 1 >> random.below(63)),
        };
        common::number(3, value, &mut any);
        common::len_field(1, b"payload.size", &mut pair);
        common::len_field(2, &any, &mut pair);
        common::len_field(1, &[5; 16], &mut span);
        common::len_field(2, &random.next().to_le_bytes(), &mut span);
        common::len_field(5, b"store", &mut span);
        let start = random.next() >> random.below(50);
        common::fixed64(7, start, &mut span);
        common::fixed64(
            8,
            start.wrapping_add(random.next() >> random.below(60)),
            &mut span,
        );
        common::len_field(9, &pair, &mut span);
        common::len_field(2, &span, &mut spans);
    }
    request_of(&spans)
}

/// More shapes and values than the models have room for.
fn many_shapes(number: u64) -> Vec<u8> {
    let mut random = Random(number);
    let mut spans = Vec::new();
    for at in 0..40_u64 {
        let mut span = Vec::new();
        common::len_field(1, &random.next().to_le_bytes().repeat(2), &mut span);
        common::len_field(2, &random.next().to_le_bytes(), &mut span);
        common::len_field(
            5,
            format!("name {}", (number * 40 + at) % 150).as_bytes(),
            &mut span,
        );
        common::fixed64(7, random.next(), &mut span);
        common::fixed64(8, random.next(), &mut span);
        for attribute in 0..at % 7 {
            let (mut any, mut pair) = (Vec::new(), Vec::new());
            match attribute % 3 {
                0 => common::number(3, random.next() >> (at % 60), &mut any),
                1 => common::fixed64(
                    4,
                    (random.below(100_000) as f64 / 100.0).to_bits(),
                    &mut any,
                ),
                _ => {
                    let text = format!("{:x} of {}", random.next(), random.below(1000));
                    common::len_field(1, text.as_bytes(), &mut any);
                }
            }
            let key = format!("key.{}.{attribute}", (number * 40 + at) % 90);
            common::len_field(1, key.as_bytes(), &mut pair);
            common::len_field(2, &any, &mut pair);
            common::len_field(9, &pair, &mut span);
        }
        common::len_field(2, &span, &mut spans);
    }
    request_of(&spans)
}
