//! `inspect`: where the bytes of a file go, column by column.

use std::collections::VecDeque;
use std::path::Path;

use tracezip::{Decoder, Inspection};

use crate::arguments::Error;
use crate::corpus;
use crate::stat::{self, Options};

pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let contents = stat::read_all(options)?;
    for (number, (path, contents)) in options.files.iter().zip(&contents).enumerate() {
        file(number, path, contents, options)?;
    }
    Ok(())
}

fn file(number: usize, path: &Path, bytes: &[u8], options: &Options) -> Result<(), Error> {
    let requests = corpus::requests(path, bytes)?;
    let mut encoder = stat::encoder(options, number);
    let mut decoder = Decoder::new(1, corpus::limits(&requests));
    let mut inspection = Inspection::default();
    let mut answers = VecDeque::new();
    let (mut size, mut spans) = (0, 0);
    let (mut frame, mut decoded) = (Vec::new(), Vec::new());
    for (index, request) in requests.iter().enumerate() {
        frame.clear();
        decoded.clear();
        spans += inspection.encode(&mut encoder, request, &mut frame).spans;
        size += frame.len();
        let answer = decoder.decode(0, &frame, &mut decoded);
        answers.push_back(
            answer
                .map_err(|error| Error::Lost {
                    path: path.to_path_buf(),
                    request: index,
                    why: error.to_string(),
                })?
                .answer,
        );
        if answers.len() > options.in_flight
            && let Some(Some(answer)) = answers.pop_front()
        {
            encoder.acknowledge(&answer);
        }
    }
    let per_span = |bytes: f64| bytes / spans.max(1) as f64;
    say!(
        "{}: {spans} spans, {:.2} bytes each",
        path.display(),
        per_span(size as f64)
    );
    say!(
        "{:>8} {:>8} {:>8} {:>8}  bytes and symbols a span",
        "coded",
        "raw",
        "text",
        "symbols"
    );
    for column in inspection.columns() {
        say!(
            "{:>8.3} {:>8.3} {:>8.3} {:>8.3}  {}",
            per_span(column.coded),
            per_span(column.raw),
            per_span(column.text as f64),
            per_span(column.symbols as f64),
            column.name
        );
    }
    Ok(())
}
