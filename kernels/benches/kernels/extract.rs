//! The extract of two corpora that is part of the repository, written by `examples/extract_bench_data.rs`.

use std::error::Error;

use crate::corpus::Corpus;

/// Both corpora.
pub(crate) fn corpora() -> Result<Vec<Corpus>, Box<dyn Error>> {
    Ok(vec![
        columns(
            "polyshop",
            include_str!("../data/polyshop.spans.tsv"),
            include_str!("../data/polyshop.values.txt"),
        )?,
        columns(
            "rust-tracing",
            include_str!("../data/rust-tracing.spans.tsv"),
            include_str!("../data/rust-tracing.values.txt"),
        )?,
    ])
}

fn columns(name: &str, spans: &str, values: &str) -> Result<Corpus, Box<dyn Error>> {
    let mut corpus = Corpus {
        name: name.to_owned(),
        ..Corpus::default()
    };
    for line in spans.lines() {
        let mut columns = line.split('\t');
        let mut next = || columns.next().ok_or("a line has fewer than four columns");
        corpus.trace_ids.push(const_hex::decode_to_array(next()?)?);
        corpus.span_ids.push(const_hex::decode_to_array(next()?)?);
        corpus.starts.push(next()?.parse()?);
        corpus.durations.push(next()?.parse()?);
    }
    corpus.values = values.lines().map(unescape).collect();
    Ok(corpus)
}

fn unescape(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' if characters.next() == Some('n') => text.push('\n'),
            c => text.push(c),
        }
    }
    text
}
