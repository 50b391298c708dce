//! What it costs to turn batches of spans into the bytes of OTLP requests: the official transform and
//! prost, and the encoder of the extension `simd`, in one process and in turns.
//!
//! `cargo bench -p otel-enhance --features simd --bench encode -- [options]`; with the feature `otlp-json`,
//! JSON as well (`<case>/json`), where the official side is the transform and serde.
//!
//! - `--corpora DIR`: recorded requests as well, in `DIR/<corpus>/<process>.pbld.zst`.
//! - `--rounds N` (default 15), `--case NAME`: a shorter run.
//! - `--strict`: fail if ours is less than 12 times as fast in a case.
//! - `--no-kernels`: without the vector kernels.
//! - `--once`: each batch once through ours and nothing else, for a profiler.
//!
//! Timed on both sides, batch by batch: from an owned `Vec<SpanData>` to the bytes of the request, and
//! until those and all that is made and freed on the way are freed again. That is what an export costs
//! before the request goes to the client. The batch is a fresh copy each time, made outside the
//! measurement. Resources are prepared once, as both exporters do. Keys, names of events and scopes are
//! literals; names of spans and values that are texts are on the heap.
//!
//! Three lines a case: the official side; ours, with the ratio of the two times as they are; and
//! `ours-encoding`. An exporter is given spans and has to free them, whatever it makes of them:
//! `freeing` is what dropping the batch costs alone, measured in the same turn, and `ours-encoding` is
//! ours, and the ratio, with that taken off both sides. `SpanData` that nobody makes, as on the fast path
//! of `performance`, costs no freeing. The limit is for `ours-encoding` of protobuf.
//!
//! Both sides' requests are compared before anything is timed.
//!
//! Then each vector kernel beside its scalar twin, on the columns of the same cases: a line for each, with
//! the ratio of their times, and in the end which won, lost, and made no difference by the quartiles.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark is a program that prints, and that stops at what it does not expect"
)]

mod corpus;
mod kernels;
#[path = "../span/stats.rs"]
mod stats;

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use otel_enhance::extensions::simd::SpanEncoder;
use prost::Message;

use crate::corpus::{Corpus, Stream};
use crate::stats::{median, quantile};

const AIM: f64 = 12.0;

/// What is written.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    Protobuf,
    #[cfg(feature = "otlp-json")]
    Json,
}

impl Format {
    const ALL: &[Self] = &[
        Self::Protobuf,
        #[cfg(feature = "otlp-json")]
        Self::Json,
    ];

    fn suffix(self) -> &'static str {
        match self {
            Self::Protobuf => "",
            #[cfg(feature = "otlp-json")]
            Self::Json => "/json",
        }
    }

    fn encoder(self, resource: &Resource) -> SpanEncoder {
        match self {
            Self::Protobuf => SpanEncoder::protobuf(resource),
            #[cfg(feature = "otlp-json")]
            Self::Json => SpanEncoder::json(resource),
        }
    }

    fn official(self, batch: Vec<SpanData>, resource: &ResourceAttributesWithSchema) -> Vec<u8> {
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, resource),
        };
        match self {
            Self::Protobuf => request.encode_to_vec(),
            #[cfg(feature = "otlp-json")]
            Self::Json => serde_json::to_vec(&request).expect("the messages are JSON"),
        }
    }

    fn equal(self, ours: &[u8], theirs: &[u8]) -> bool {
        match self {
            Self::Protobuf => ours == theirs,
            #[cfg(feature = "otlp-json")]
            Self::Json => {
                let read = |bytes| -> serde_json::Value {
                    serde_json::from_slice(bytes).expect("what was written is JSON")
                };
                read(ours) == read(theirs)
            }
        }
    }
}

/// A stream, and both encoders for it.
struct Sides<'a> {
    format: Format,
    stream: &'a Stream,
    resource: ResourceAttributesWithSchema,
    encoder: SpanEncoder,
}

impl<'a> Sides<'a> {
    fn new(stream: &'a Stream, format: Format) -> Self {
        Self {
            format,
            stream,
            resource: (&stream.resource).into(),
            encoder: format.encoder(&stream.resource),
        }
    }

    /// The official bytes, to which ours are equal: to the byte, or as JSON.
    fn compare(&mut self) -> usize {
        let mut bytes = 0;
        for batch in &self.stream.batches {
            let theirs = self.format.official(batch.clone(), &self.resource);
            let ours = self.encoder.encode(batch.clone());
            assert!(self.format.equal(&ours, &theirs), "the requests differ");
            bytes += theirs.len();
        }
        bytes
    }

    /// Adds the times for all batches.
    fn round(&mut self, ours_first: bool, sum: &mut Times) {
        for (index, batch) in self.stream.batches.iter().enumerate() {
            let mut fastest = Times::MAX;
            for turn in 0..TURNS {
                let copy = batch.clone();
                fastest.freeing = fastest.freeing.min(time(|| drop(black_box(copy))));
                let (one, other) = (batch.clone(), batch.clone());
                if ours_first ^ ((index + turn) % 2 == 0) {
                    fastest.ours = fastest.ours.min(self.time_ours(one));
                    fastest.official = fastest.official.min(self.time_official(other));
                } else {
                    fastest.official = fastest.official.min(self.time_official(one));
                    fastest.ours = fastest.ours.min(self.time_ours(other));
                }
            }
            sum.official += fastest.official;
            sum.ours += fastest.ours;
            sum.freeing += fastest.freeing;
        }
    }

    fn time_ours(&mut self, batch: Vec<SpanData>) -> Duration {
        time(|| drop(black_box(self.encoder.encode(batch))))
    }

    fn time_official(&self, batch: Vec<SpanData>) -> Duration {
        time(|| drop(black_box(self.format.official(batch, &self.resource))))
    }
}

/// How often a batch is done by each side in a round; the fastest counts, for on a busy machine others
/// take the processor away in the middle.
const TURNS: usize = 3;

fn time(action: impl FnOnce()) -> Duration {
    let start = Instant::now();
    action();
    start.elapsed()
}

/// What a round took.
struct Times {
    official: Duration,
    ours: Duration,
    freeing: Duration,
}

impl Times {
    const ZERO: Self = Self {
        official: Duration::ZERO,
        ours: Duration::ZERO,
        freeing: Duration::ZERO,
    };
    const MAX: Self = Self {
        official: Duration::MAX,
        ours: Duration::MAX,
        freeing: Duration::MAX,
    };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let rounds = value("--rounds").map_or(15, |rounds| rounds.parse().expect("a number"));
    let mut corpora: Vec<Corpus> = [0, 3, 8].map(corpus::generated).into();
    if let Some(folder) = value("--corpora") {
        corpora.extend(corpus::read_all(Path::new(folder)));
    }
    let wanted = value("--case");
    corpora.retain(|corpus| wanted.is_none_or(|only| *only == corpus.name));
    if flag("--once") {
        for corpus in &corpora {
            for stream in &corpus.streams {
                let mut encoder = SpanEncoder::protobuf(&stream.resource);
                for batch in &stream.batches {
                    drop(black_box(encoder.encode(batch.clone())));
                }
            }
        }
        return ExitCode::SUCCESS;
    }
    let mut kept = true;
    for corpus in &corpora {
        for format in Format::ALL {
            let ratio = measure(corpus, *format, rounds);
            kept &= ratio >= AIM || *format != Format::Protobuf;
        }
    }
    if !flag("--no-kernels") {
        let mut verdicts = kernels::Verdicts::default();
        for corpus in &corpora {
            kernels::measure(corpus, &mut verdicts);
        }
        verdicts.print();
    }
    if kept {
        println!("limit kept: at least {AIM} times as fast in every case");
    } else {
        println!("limit missed: less than {AIM} times as fast in a case");
    }
    if flag("--strict") && !kept {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Nanoseconds a span, a round each.
#[derive(Default)]
struct Rounds {
    official: Vec<f64>,
    ours: Vec<f64>,
    freeing: Vec<f64>,
}

/// Prints the lines of a corpus; returns how many times as fast our encoding is.
fn measure(corpus: &Corpus, format: Format, rounds: usize) -> f64 {
    let sides = corpus
        .streams
        .iter()
        .map(|stream| Sides::new(stream, format));
    let mut sides: Vec<Sides<'_>> = sides.collect();
    let bytes: usize = sides.iter_mut().map(Sides::compare).sum();
    let spans = corpus.spans();
    let mut times = Rounds::default();
    for round in 0..rounds {
        let mut sum = Times::ZERO;
        for side in &mut sides {
            side.round(round % 2 == 0, &mut sum);
        }
        let per_span = |time: Duration| time.as_nanos() as f64 / spans as f64;
        times.official.push(per_span(sum.official));
        times.ours.push(per_span(sum.ours));
        times.freeing.push(per_span(sum.freeing));
    }
    let case = &format!("{}{}", corpus.name, format.suffix());
    println!(
        "case={case} impl=official ns_per_span={:.0} freeing={:.0} spans={spans} bytes_per_span={:.1}",
        median(&mut times.official.clone()),
        median(&mut times.freeing.clone()),
        bytes as f64 / spans as f64,
    );
    print_ours(case, "ours", &times.official, &times.ours);
    let without_freeing = |side: &[f64]| -> Vec<f64> {
        let both = side.iter().zip(&times.freeing);
        both.map(|(time, freeing)| time - freeing).collect()
    };
    print_ours(
        case,
        "ours-encoding",
        &without_freeing(&times.official),
        &without_freeing(&times.ours),
    )
}

/// One line; returns the ratio.
fn print_ours(case: &str, name: &str, official: &[f64], ours: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = official.iter().zip(ours).map(|(a, b)| a / b).collect();
    let ratio = median(&mut ratios);
    println!(
        "case={case} impl={name} ns_per_span={:.0} ratio={ratio:.1} p10={:.1} p90={:.1}",
        median(&mut ours.to_vec()),
        quantile(&mut ratios, 0.1),
        quantile(&mut ratios, 0.9),
    );
    ratio
}
