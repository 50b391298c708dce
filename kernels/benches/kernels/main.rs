//! Each kernel against its scalar twin, on real trace data, in turns.
//!
//! `cargo bench -p otel-enhance-kernels` uses the extract beside this benchmark; with `-- --corpora DIR`,
//! or `OTEL_ENHANCE_CORPORA=DIR`, every folder of `DIR` is a corpus. Other arguments choose the kernels
//! whose name contains one of them. Each line has the median time of an item and the ratio to the scalar
//! twin in the same round: median, 10th and 90th percentile.
#![expect(clippy::print_stdout, reason = "its lines are what a benchmark is for")]

use std::error::Error;
use std::path::{Path, PathBuf};

mod corpus;
mod extract;
mod hex;
mod histogram;
mod json;
mod measure;
mod pack;
mod scan;
mod utf8;
mod varint;

use corpus::Corpus;

/// Enough for steady figures, and small enough to stay in the second-level cache like a batch does.
const SPANS: usize = 2_000;

type Run = fn(&Corpus);

const KERNELS: &[(&str, Run)] = &[
    ("hex", hex::run),
    ("histogram", histogram::run),
    ("json", json::run),
    ("pack", pack::run),
    ("scan", scan::run),
    ("utf8", utf8::run),
    ("varint", varint::run),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut folder = std::env::var_os("OTEL_ENHANCE_CORPORA").map(PathBuf::from);
    let mut chosen = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--corpora" => {
                folder = Some(arguments.next().ok_or("--corpora needs a folder")?.into())
            }
            // What cargo says to every benchmark.
            "--bench" => {}
            name => chosen.push(name.to_owned()),
        }
    }
    let corpora = match &folder {
        Some(folder) => full(folder)?,
        None => extract::corpora()?,
    };
    for (name, run) in KERNELS {
        if chosen.is_empty() || chosen.iter().any(|part| name.contains(part.as_str())) {
            corpora.iter().for_each(run);
        }
    }
    Ok(())
}

fn full(folder: &Path) -> Result<Vec<Corpus>, Box<dyn Error>> {
    let mut folders: Vec<PathBuf> = folder
        .read_dir()?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
        .iter()
        .map(|path| Corpus::read(path, SPANS))
        .collect()
}
