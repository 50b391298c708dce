//! Each vector kernel against its scalar twin, on the columns of a corpus: in turns, round by round.
//!
//! Where the vectors are the compiler's (`portable`), the twin is the loop that one would write. More sides,
//! such as other crates, are in `cargo bench -p otel-enhance-kernels`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use opentelemetry::Value;
use opentelemetry_sdk::trace::SpanData;
use otel_enhance_kernels::pack::{self, Frame};
use otel_enhance_kernels::scan::{Case, Literals};
use otel_enhance_kernels::{Level, hex, histogram, json, utf8, varint};

use crate::corpus::Corpus;
use crate::stats::{median, quantile};

/// Spans of a corpus, at most: their columns stay in the second-level cache, as those of a batch do.
const SPANS: usize = 2_000;

const ROUNDS: usize = 51;

/// What each side takes in a round, about.
const SLICE_NANOS: f64 = 50_000.0;

/// Beginnings of secrets, and names of fields that hold them.
const LITERALS: [&str; 8] = [
    "password",
    "authorization",
    "bearer ",
    "-----begin",
    "akia",
    "ghp_",
    "api_key",
    "set-cookie",
];

/// In how many cases each kernel won, lost, and made no difference.
#[derive(Default)]
pub(crate) struct Verdicts(BTreeMap<String, [u32; 3]>);

impl Verdicts {
    /// By the quartiles of its ratios to the scalar twin.
    fn add(&mut self, kernel: String, ratios: &mut [f64]) -> &'static str {
        let (at, verdict) = if quantile(ratios, 0.75) < 1.0 {
            (0, "win")
        } else if quantile(ratios, 0.25) > 1.0 {
            (1, "loss")
        } else {
            (2, "even")
        };
        self.0.entry(kernel).or_default()[at] += 1;
        verdict
    }

    pub(crate) fn print(&self) {
        for (kernel, [won, lost, even]) in &self.0 {
            println!("kernel={kernel} won={won} lost={lost} even={even}");
        }
    }
}

/// The columns of a corpus.
#[derive(Default)]
struct Columns {
    trace_ids: Vec<[u8; 16]>,
    starts: Vec<u64>,
    durations: Vec<u64>,
    values: Vec<String>,
}

impl Columns {
    /// As evenly from the corpus's streams as they have them.
    fn of(corpus: &Corpus) -> Self {
        let mut columns = Self::default();
        let share = SPANS / corpus.streams.len().max(1);
        for stream in &corpus.streams {
            let spans = stream.batches.iter().flatten().take(share);
            spans.for_each(|span| columns.add(span));
        }
        columns
    }

    fn add(&mut self, span: &SpanData) {
        let nanos = |time: std::time::SystemTime| {
            let since = time.duration_since(std::time::UNIX_EPOCH);
            since.unwrap_or_default().as_nanos() as u64
        };
        let (start, end) = (nanos(span.start_time), nanos(span.end_time));
        self.trace_ids.push(span.span_context.trace_id().to_bytes());
        self.starts.push(start);
        self.durations.push(end.saturating_sub(start));
        let events = span
            .events
            .events
            .iter()
            .flat_map(|event| &event.attributes);
        for attribute in span.attributes.iter().chain(events) {
            if let Value::String(text) = &attribute.value {
                self.values.push(text.as_str().to_owned());
            }
        }
    }
}

type Side<'a> = (String, Box<dyn FnMut() -> usize + 'a>);

/// Prints a line for each kernel, level and corpus.
pub(crate) fn measure(corpus: &Corpus, verdicts: &mut Verdicts) {
    let columns = Columns::of(corpus);
    let mut compare = |kernel: &str, items: usize, sides: Vec<Side<'_>>| {
        compare(kernel, &corpus.name, items, sides, verdicts);
    };
    let Columns {
        trace_ids,
        starts,
        durations,
        values,
    } = &columns;
    let spans = durations.len();

    compare(
        "hex_column",
        spans,
        by_level(|level| {
            let mut text = Vec::new();
            move || {
                text.clear();
                hex::append_with(level, trace_ids.as_flattened(), &mut text);
                text.len()
            }
        }),
    );
    compare(
        "hex_id",
        spans,
        twins(into_places(trace_ids, by_table), {
            into_places(trace_ids, hex::trace_id)
        }),
    );
    compare(
        "varint_u64",
        spans,
        by_level(|level| move || varint::total_len_with(level, durations)),
    );
    let lengths: Vec<u32> = values.iter().map(|value| value.len() as u32).collect();
    compare(
        "varint_u32",
        lengths.len(),
        by_level(|level| {
            let lengths = &lengths;
            move || varint::total_len_u32_with(level, lengths)
        }),
    );
    compare(
        "pack_deltas",
        spans,
        by_level(|level| {
            let mut column = Vec::new();
            move || {
                column.clear();
                pack::append_deltas_with(level, 0, starts, &mut column);
                column.len()
            }
        }),
    );
    compare(
        "pack_frame",
        spans,
        by_level(|level| move || usize::from(Frame::of_with(level, durations).width())),
    );
    let seconds: Vec<f64> = durations.iter().map(|nanos| *nanos as f64 / 1e9).collect();
    for scale in [20, 4] {
        compare(
            &format!("histogram_scale_{scale}"),
            spans,
            by_level(|level| {
                let (seconds, mut indexes) = (&seconds, Vec::new());
                move || {
                    indexes.clear();
                    histogram::append_indexes_with(level, seconds, scale, &mut indexes);
                    indexes.len()
                }
            }),
        );
    }
    measure_texts(values, &mut compare);
}

fn measure_texts(values: &[String], compare: &mut impl FnMut(&str, usize, Vec<Side<'_>>)) {
    let dirty = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    compare(
        "json_escapes",
        values.len(),
        twins(
            || {
                let clean = |text: &&String| !text.bytes().any(|byte| dirty(&byte));
                values.iter().filter(clean).count()
            },
            || {
                let clean = |text: &&String| json::first_escape(text.as_bytes()).is_none();
                values.iter().filter(clean).count()
            },
        ),
    );
    const LIMIT: usize = 32;
    let long: Vec<&String> = values.iter().filter(|text| text.len() > LIMIT).collect();
    compare(
        "truncate_32",
        long.len(),
        twins(
            || {
                let cut = |text: &&String| {
                    let next = text.char_indices().nth(LIMIT);
                    next.map_or(text.len(), |(end, _)| end)
                };
                long.iter().map(cut).sum()
            },
            || {
                let cut = |text: &&String| utf8::truncate_characters(text, LIMIT).len();
                long.iter().map(cut).sum()
            },
        ),
    );
    let arena = values.concat().into_bytes();
    let mut end = 0;
    let ends: Vec<usize> = values
        .iter()
        .map(|value| {
            end += value.len();
            end
        })
        .collect();
    if let Ok(literals) = Literals::new(LITERALS, Case::IgnoreAscii) {
        compare(
            "scan_8",
            values.len(),
            by_level(|level| {
                let (literals, arena, ends) = (literals.clone(), &arena, &ends);
                move || {
                    let mut found = 0;
                    literals.scan_with(level, arena, ends, |_| found += 1);
                    found
                }
            }),
        );
    }
}

/// A side for each level that this processor has, the scalar one first.
fn by_level<'a, F: FnMut() -> usize + 'a>(side: impl Fn(Level) -> F) -> Vec<Side<'a>> {
    Level::supported()
        .map(|level| (level.to_string(), Box::new(side(level)) as _))
        .collect()
}

fn twins<'a>(
    scalar: impl FnMut() -> usize + 'a,
    portable: impl FnMut() -> usize + 'a,
) -> Vec<Side<'a>> {
    vec![
        ("scalar".to_owned(), Box::new(scalar)),
        ("portable".to_owned(), Box::new(portable)),
    ]
}

/// Each id's text in a place of its own.
fn into_places(ids: &[[u8; 16]], text: impl Fn(&[u8; 16]) -> [u8; 32]) -> impl FnMut() -> usize {
    let mut places = vec![[0; 32]; ids.len()];
    move || {
        for (id, place) in ids.iter().zip(&mut places) {
            *place = text(id);
        }
        black_box(&mut places).len()
    }
}

/// What one would write by hand.
fn by_table(id: &[u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (byte, pair) in id.iter().zip(text.as_chunks_mut::<2>().0) {
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
    text
}

/// Nothing, if the corpus has no such items.
fn compare(
    kernel: &str,
    corpus: &str,
    items: usize,
    mut sides: Vec<Side<'_>>,
    verdicts: &mut Verdicts,
) {
    if items == 0 {
        return;
    }
    let time = |run: &mut dyn FnMut() -> usize, repetitions: u32| {
        let started = Instant::now();
        for _ in 0..repetitions {
            black_box(run());
        }
        started.elapsed().as_nanos() as f64 / f64::from(repetitions)
    };
    let repetitions: Vec<u32> = sides
        .iter_mut()
        .map(|(_, run)| (SLICE_NANOS / time(run, 3).max(1.0)).ceil() as u32)
        .collect();
    let mut times = vec![Vec::new(); sides.len()];
    for _ in 0..ROUNDS {
        for (at, (_, run)) in sides.iter_mut().enumerate() {
            times[at].push(time(run, repetitions[at]));
        }
    }
    let scalar = times[0].clone();
    for ((level, _), own) in sides.iter().zip(&mut times).skip(1) {
        let mut ratios: Vec<f64> = own.iter().zip(&scalar).map(|(a, b)| a / b).collect();
        let verdict = verdicts.add(format!("{kernel}/{level}"), &mut ratios);
        println!(
            "kernel={kernel} corpus={corpus} level={level} ns_per_item={:.2} scalar={:.2} \
             ratio_to_scalar={:.2} p10={:.2} p90={:.2} {verdict}",
            median(own) / items as f64,
            median(&mut scalar.clone()) / items as f64,
            median(&mut ratios),
            quantile(&mut ratios, 0.1),
            quantile(&mut ratios, 0.9),
        );
    }
}
