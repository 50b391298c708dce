//! Bucket indexes of spans' durations.

use otel_enhance_kernels::{Level, histogram};

use crate::corpus::Corpus;
use crate::measure::{Side, compare};

pub(crate) fn run(corpus: &Corpus) {
    let seconds: Vec<f64> = corpus
        .durations
        .iter()
        .map(|nanos| *nanos as f64 / 1e9)
        .collect();
    let seconds = &seconds;
    for scale in [20, 4, 0] {
        let mut sides: Vec<_> = Level::supported()
            .map(|level| {
                let mut indexes = Vec::new();
                Side::new(level, move || {
                    indexes.clear();
                    histogram::append_indexes_with(level, seconds, scale, &mut indexes);
                    indexes.len()
                })
            })
            .collect();
        let mut indexes = Vec::new();
        sides.push(Side::new("logarithm", move || {
            indexes.clear();
            indexes.extend(seconds.iter().map(|value| by_logarithm(*value, scale)));
            indexes.len()
        }));
        compare(
            &format!("histogram_scale_{scale}"),
            &corpus.name,
            seconds.len(),
            sides,
        );
    }
}

/// The formula of the metrics data model, without its special cases.
fn by_logarithm(value: f64, scale: i8) -> i32 {
    (value.log2() * 2_f64.powi(i32::from(scale))).ceil() as i32 - 1
}
