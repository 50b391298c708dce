//! Who compresses.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::time::Duration;

use cpu_time::ThreadTime;
use tracezip::{Decoder, Encoder, Limits};

use crate::corpus::Corpus;

/// Frames that the sender has no answer to yet.
const IN_FLIGHT: usize = 4;

/// What a corpus took.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) encode: Duration,
    pub(crate) decode: Duration,
    pub(crate) bytes: usize,
}

type Run = Box<dyn FnMut(&Corpus) -> Timed>;

pub(crate) struct Side {
    pub(crate) name: &'static str,
    run: Run,
}

impl Side {
    pub(crate) fn run(&mut self, corpus: &Corpus) -> Timed {
        (self.run)(corpus)
    }
}

pub(crate) fn sides() -> Vec<Side> {
    let side = |name, run: Run| Side { name, run };
    vec![
        side("gzip-6", Box::new(gzip)),
        side("zstd-1", Box::new(|corpus| zstd(corpus, 1))),
        side("zstd-3", Box::new(|corpus| zstd(corpus, 3))),
        side("tracezip", Box::new(ours)),
    ]
}

fn time<T>(total: &mut Duration, what: impl FnOnce() -> T) -> T {
    let start = ThreadTime::now();
    let value = what();
    *total += start.elapsed();
    value
}

fn gzip(corpus: &Corpus) -> Timed {
    let (mut timed, mut packed, mut back) = (Timed::default(), Vec::new(), Vec::new());
    for request in corpus.streams.iter().flatten() {
        packed.clear();
        back.clear();
        time(&mut timed.encode, || {
            let level = flate2::Compression::new(6);
            let mut encoder = flate2::write::GzEncoder::new(&mut packed, level);
            encoder.write_all(request).expect("memory");
            encoder.finish().expect("memory");
        });
        timed.bytes += packed.len();
        time(&mut timed.decode, || {
            let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
            decoder.read_to_end(&mut back).expect("what was packed")
        });
        assert!(back == *request);
    }
    timed
}

fn zstd(corpus: &Corpus, level: i32) -> Timed {
    let (mut timed, mut packed, mut back) = (Timed::default(), Vec::new(), Vec::new());
    for stream in &corpus.streams {
        let mut compressor = zstd::bulk::Compressor::new(level).expect("a context");
        let mut decompressor = zstd::bulk::Decompressor::new().expect("a context");
        for request in stream {
            packed.clear();
            packed.reserve(zstd::zstd_safe::compress_bound(request.len()));
            let compress = || compressor.compress_to_buffer(request, &mut packed);
            timed.bytes += time(&mut timed.encode, compress).expect("enough room");
            back.clear();
            back.reserve(request.len());
            let decompress = || decompressor.decompress_to_buffer(&packed, &mut back);
            time(&mut timed.decode, decompress).expect("what was packed");
            assert!(back == *request);
        }
    }
    timed
}

fn ours(corpus: &Corpus) -> Timed {
    let (mut timed, mut frame, mut back) = (Timed::default(), Vec::new(), Vec::new());
    for stream in &corpus.streams {
        let mut encoder = Encoder::new([1; 16]);
        let mut decoder = Decoder::new(1, Limits::default());
        let mut answers = VecDeque::new();
        for request in stream {
            frame.clear();
            back.clear();
            time(&mut timed.encode, || encoder.encode(request, &mut frame));
            timed.bytes += frame.len();
            let decoded = time(&mut timed.decode, || decoder.decode(0, &frame, &mut back));
            answers.push_back(decoded.expect("a frame of ours").answer.expect("an answer"));
            assert!(back == *request);
            if answers.len() > IN_FLIGHT
                && let Some(answer) = answers.pop_front()
            {
                encoder.acknowledge(&answer);
            }
        }
    }
    timed
}
