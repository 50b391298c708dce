//! Makes the small extract of real traces that the benchmark carries with it.
//!
//! `cargo run -p otel-enhance-kernels --example extract_bench_data -- CORPORA OUT` reads
//! `CORPORA/polyshop` and `CORPORA/rust-tracing` and writes two text files for each into the folder `OUT`:
//!
//! - `<corpus>.spans.tsv`: a line a span, `trace_id span_id start duration` (hex, hex, nanoseconds since
//!   1970, nanoseconds), the first spans of each process;
//! - `<corpus>.values.txt`: a line a string among the attributes' values, in the spans' order, with `\\`
//!   and `\n` for backslash and line feed.

use std::error::Error;
use std::fs;
use std::path::Path;

#[path = "../benches/kernels/corpus.rs"]
mod corpus;

use corpus::Corpus;

/// Keeps both corpora together below 300 kB.
const SPANS: usize = 600;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        return Err("give two folders: the corpora, and where to write".into());
    };
    for name in ["polyshop", "rust-tracing"] {
        let corpus = Corpus::read(&Path::new(from).join(name), SPANS)?;
        let file = |kind: &str| Path::new(to).join(format!("{}.{kind}", corpus.name));
        fs::write(file("spans.tsv"), spans(&corpus))?;
        fs::write(file("values.txt"), values(&corpus))?;
    }
    Ok(())
}

fn spans(corpus: &Corpus) -> String {
    (0..corpus.starts.len())
        .map(|at| {
            format!(
                "{}\t{}\t{}\t{}\n",
                const_hex::encode(corpus.trace_ids[at]),
                const_hex::encode(corpus.span_ids[at]),
                corpus.starts[at],
                corpus.durations[at]
            )
        })
        .collect()
}

fn values(corpus: &Corpus) -> String {
    corpus
        .values
        .iter()
        .map(|value| without_scratch_folders(value))
        .map(|value| value.replace('\\', "\\\\").replace('\n', "\\n") + "\n")
        .collect()
}

/// Stack traces name the scratch folder that a service was recorded in: `/tmp/NAME/` becomes `/srv/`.
fn without_scratch_folders(value: &str) -> String {
    let mut parts = value.split("/tmp/");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("/srv/");
        text.push_str(part.split_once('/').map_or(part, |(_, rest)| rest));
    }
    text
}
