//! What it costs to compress requests and to get them back, beside gzip-6, zstd-1 and zstd-3, in turns.
//!
//! `cargo bench -p tracezip` has made-up spans; with `-- --corpora DIR`, or `OTEL_ENHANCE_CORPORA=DIR`, every folder
//! of `DIR` is a corpus of `<process>.pbld.zst`, each a stream. `--rounds N` (default 15). Other arguments choose the
//! corpora whose name contains one of them.
//!
//! A line for each `operation/corpus/implementation`: the lowest decile of the CPU time of a span, bytes of a span, and
//! the ratio to what zstd-3 takes to *compress* the same requests in the same round: median, 10th and 90th percentile.
//! Contexts, encoders and decoders are made outside the measurement; ours has answers that come four frames late.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark is a program that prints, and that stops at what it does not expect"
)]

mod corpus;
mod sides;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use corpus::Corpus;
use sides::{Timed, sides};

/// What all others are held against.
const REFERENCE: &str = "zstd-3";

fn main() -> Result<(), Box<dyn Error>> {
    let mut folder = std::env::var_os("OTEL_ENHANCE_CORPORA").map(PathBuf::from);
    let (mut rounds, mut chosen) = (15, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--corpora" => {
                folder = Some(arguments.next().ok_or("--corpora needs a folder")?.into())
            }
            "--rounds" => rounds = arguments.next().ok_or("--rounds needs a number")?.parse()?,
            // What cargo says to every benchmark.
            "--bench" => {}
            name => chosen.push(name.to_owned()),
        }
    }
    let corpora = match &folder {
        Some(folder) => corpus::read_all(folder)?,
        None => vec![corpus::made_up()],
    };
    let is_chosen = |corpus: &&Corpus| {
        chosen.is_empty()
            || chosen
                .iter()
                .any(|part| corpus.name.contains(part.as_str()))
    };
    for corpus in corpora.iter().filter(is_chosen) {
        run(corpus, rounds);
    }
    Ok(())
}

fn run(corpus: &Corpus, rounds: usize) {
    let mut sides = sides();
    let mut times: Vec<Vec<Timed>> = vec![Vec::new(); sides.len()];
    for _ in 0..rounds.max(1) {
        // In turns, so that what disturbs one disturbs all.
        for (side, times) in sides.iter_mut().zip(&mut times) {
            times.push(side.run(corpus));
        }
    }
    let reference = sides
        .iter()
        .position(|side| side.name == REFERENCE)
        .expect("a side");
    let encode: fn(&Timed) -> Duration = |timed| timed.encode;
    let decode: fn(&Timed) -> Duration = |timed| timed.decode;
    for (operation, time) in [("encode", encode), ("decode", decode)] {
        for (side, timed) in sides.iter().zip(&times) {
            let mut ratios: Vec<f64> = timed
                .iter()
                .zip(&times[reference])
                .map(|(one, other)| time(one).as_secs_f64() / other.encode.as_secs_f64())
                .collect();
            ratios.sort_by(f64::total_cmp);
            let mut spans: Vec<f64> = timed
                .iter()
                .map(|timed| time(timed).as_nanos() as f64 / corpus.spans as f64)
                .collect();
            spans.sort_by(f64::total_cmp);
            let at = |sorted: &[f64], tenths: usize| sorted[(sorted.len() - 1) * tenths / 10];
            println!(
                "{:<34} {:>7.0} ns  {:>7.2} B  {:>5.2} ({:.2} to {:.2})",
                format!("{operation}/{}/{}", corpus.name, side.name),
                at(&spans, 1),
                timed[0].bytes as f64 / corpus.spans as f64,
                at(&ratios, 5),
                at(&ratios, 1),
                at(&ratios, 9),
            );
        }
    }
}
