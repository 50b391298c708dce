//! `stat`: what tracezip makes of files, beside others.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cpu_time::ThreadTime;
use serde_json::json;
use tracezip::{Acknowledgement, DecodeError, Decoder, Encoder};

use crate::arguments::Error;
use crate::corpus;
use crate::progress::Progress;
use crate::reassign::{self, Ids};
use crate::replay::Replay;

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) json: bool,
    pub(crate) self_contained: bool,
    pub(crate) in_flight: usize,
    pub(crate) rounds: usize,
    pub(crate) receivers: u64,
    pub(crate) ids: Option<Ids>,
    /// Where files are written.
    pub(crate) out: Option<PathBuf>,
    /// Bytes that a frame may decode to.
    pub(crate) max_request: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            json: false,
            self_contained: false,
            in_flight: 4,
            rounds: 3,
            receivers: 1,
            ids: None,
            out: None,
            max_request: 256 << 20,
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Figures {
    spans: usize,
    raw: usize,
    gzip: usize,
    zstd: usize,
    ours: usize,
    encode: Duration,
    zstd_encode: Duration,
    decode: Duration,
    fallbacks: usize,
    state: usize,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.spans += other.spans;
        self.raw += other.raw;
        self.gzip += other.gzip;
        self.zstd += other.zstd;
        self.ours += other.ours;
        self.encode += other.encode;
        self.zstd_encode += other.zstd_encode;
        self.decode += other.decode;
        self.fallbacks += other.fallbacks;
        self.state = self.state.max(other.state);
    }

    fn per_span(&self, bytes: usize) -> f64 {
        bytes as f64 / self.spans.max(1) as f64
    }

    fn nanoseconds(&self, time: Duration) -> f64 {
        if self.spans == 0 {
            return 0.0;
        }
        time.as_nanos() as f64 / self.spans as f64
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "spans": self.spans,
            "raw_bytes": self.raw,
            "bytes_per_span": {
                "otlp": self.per_span(self.raw),
                "gzip6": self.per_span(self.gzip),
                "zstd3": self.per_span(self.zstd),
                "tracezip": self.per_span(self.ours),
            },
            "encode_ns_per_span": self.nanoseconds(self.encode),
            "zstd3_encode_ns_per_span": self.nanoseconds(self.zstd_encode),
            "decode_ns_per_span": self.nanoseconds(self.decode),
            "fallback_requests": self.fallbacks,
            "peak_state_bytes": self.state,
        })
    }

    fn print(&self, name: &str) {
        say!(
            "{name:<32} {:>8} {:>8.1} {:>7.2} {:>7.2} {:>8.2} {:>8.0} {:>8.0} {:>8.0} {:>5} {:>8}",
            self.spans,
            self.per_span(self.raw),
            self.per_span(self.gzip),
            self.per_span(self.zstd),
            self.per_span(self.ours),
            self.nanoseconds(self.encode),
            self.nanoseconds(self.zstd_encode),
            self.nanoseconds(self.decode),
            self.fallbacks,
            self.state,
        );
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let mut total = Figures::default();
    let mut files = Vec::new();
    if !options.json {
        say!(
            "{:<32} {:>8} {:>8} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8} {:>5} {:>8}",
            "bytes a span",
            "spans",
            "otlp",
            "gzip-6",
            "zstd-3",
            "tracezip",
            "enc ns",
            "zstd ns",
            "dec ns",
            "odd",
            "state"
        );
    }
    let contents = read_all(options)?;
    for (number, (path, contents)) in options.files.iter().zip(&contents).enumerate() {
        let figures = file(number, path, contents, options)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if options.json {
            let mut object = figures.json();
            object["file"] = json!(path.to_string_lossy());
            files.push(object);
        } else {
            figures.print(&name);
        }
        total.add(&figures);
    }
    if options.json {
        say!("{:#}", json!({ "files": files, "total": total.json() }));
    } else {
        total.print("total");
    }
    Ok(())
}

/// The files' contents, with the ids that are asked for.
pub(crate) fn read_all(options: &Options) -> Result<Vec<Vec<u8>>, Error> {
    let files = options.files.iter().map(|path| corpus::read(path));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    if let Some(ids) = options.ids {
        // It takes the lengths in them for granted.
        for (path, bytes) in options.files.iter().zip(&files) {
            corpus::requests(path, bytes)?;
        }
        reassign::reassign(&mut files, ids);
    }
    Ok(files)
}

/// An encoder as the options want it, for the file with this number.
pub(crate) fn encoder(options: &Options, number: usize) -> Encoder {
    let mut encoder = Encoder::new([0x5a; 16]).with_self_contained(options.self_contained);
    if let Some(ids) = options.ids {
        encoder.set_id_keys(&[reassign::key(ids, number as u64)]);
    }
    encoder
}

fn decoders(options: &Options, requests: &[&[u8]]) -> Vec<Decoder> {
    (1..=options.receivers.max(1))
        .map(|instance| Decoder::new(instance, corpus::limits(requests)))
        .collect()
}

fn file(number: usize, path: &Path, bytes: &[u8], options: &Options) -> Result<Figures, Error> {
    let requests = corpus::requests(path, bytes)?;
    let mut progress = Progress::new("measuring", path, options.rounds.max(1));
    let mut figures = Figures {
        encode: Duration::MAX,
        zstd_encode: Duration::MAX,
        decode: Duration::MAX,
        ..Figures::default()
    };
    for request in &requests {
        figures.raw += request.len();
        figures.gzip += gzip(request);
    }
    let replay = ours(number, path, &requests, options, &mut figures)?;
    for _ in 0..options.rounds.max(1) {
        let (time, size) = zstd(&requests);
        figures.zstd_encode = figures.zstd_encode.min(time);
        figures.zstd = size;
        let encode = replay.encode(encoder(options, number), &requests);
        figures.encode = figures.encode.min(encode);
        let decode = replay.decode(decoders(options, &requests));
        figures.decode = figures.decode.min(decode);
        progress.step();
    }
    Ok(figures)
}

fn gzip(request: &[u8]) -> usize {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    // Writing to memory does not fail.
    let _ = encoder.write_all(request);
    encoder.finish().map_or(0, |out| out.len())
}

fn zstd(requests: &[&[u8]]) -> (Duration, usize) {
    let Ok(mut context) = zstd::bulk::Compressor::new(3) else {
        return (Duration::ZERO, 0);
    };
    let (mut size, mut out) = (0, Vec::new());
    let start = ThreadTime::now();
    for request in requests {
        out.clear();
        out.reserve(zstd::zstd_safe::compress_bound(request.len()));
        size += context.compress_to_buffer(request, &mut out).unwrap_or(0);
    }
    (start.elapsed(), size)
}

/// One stream from encoder to decoder, whose answers come late: what became of it, without the time that it took.
fn ours(
    number: usize,
    path: &Path,
    requests: &[&[u8]],
    options: &Options,
    figures: &mut Figures,
) -> Result<Replay, Error> {
    let mut encoder = encoder(options, number);
    let mut decoders = decoders(options, requests);
    let mut replay = Replay::default();
    let mut answers: VecDeque<Option<Acknowledgement>> = VecDeque::new();
    let (mut frame, mut decoded) = (Vec::new(), Vec::new());
    (figures.ours, figures.spans, figures.fallbacks) = (0, 0, 0);
    for (index, request) in requests.iter().enumerate() {
        frame.clear();
        let encoded = encoder.encode(request, &mut frame);
        let receiver = index % decoders.len();
        replay.encoded(index, receiver, &frame);
        figures.ours += frame.len();
        figures.spans += encoded.spans;
        figures.fallbacks += usize::from(encoded.fallback);
        decoded.clear();
        let decoder = &mut decoders[receiver];
        let answer = decoder.decode(0, &frame, &mut decoded);
        let lost = |why: String| Error::Lost {
            path: path.to_path_buf(),
            request: index,
            why,
        };
        let mut answer = answer;
        if answer == Err(DecodeError::StateLost)
            && let Some(refusal) = decoder.refusal(&frame)
        {
            // As a sender does: a new epoch, and the request once more.
            encoder.acknowledge(&refusal);
            replay.acknowledged(refusal);
            frame.clear();
            encoder.encode(request, &mut frame);
            replay.encoded(index, receiver, &frame);
            figures.ours += frame.len();
            answer = decoder.decode(0, &frame, &mut decoded);
        }
        answers.push_back(answer.map_err(|error| lost(error.to_string()))?.answer);
        if decoded != *request {
            return Err(lost("other bytes".into()));
        }
        let state = encoder.state_bytes().max(decoder.state_bytes());
        figures.state = figures.state.max(state);
        if answers.len() > options.in_flight
            && let Some(Some(answer)) = answers.pop_front()
        {
            encoder.acknowledge(&answer);
            replay.acknowledged(answer);
        }
    }
    Ok(replay)
}
