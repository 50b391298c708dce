//! Total lengths of columns of integers.

use otel_enhance_kernels::{Level, varint};

use crate::corpus::Corpus;
use crate::measure::{Side, compare};

pub(crate) fn run(corpus: &Corpus) {
    let durations = &corpus.durations;
    let sides = Level::supported()
        .map(|level| Side::new(level, move || varint::total_len_with(level, durations)))
        .collect();
    compare("varint_durations", &corpus.name, durations.len(), sides);

    let lengths: Vec<u32> = corpus
        .values
        .iter()
        .map(|value| value.len() as u32)
        .collect();
    let lengths = &lengths;
    let sides = Level::supported()
        .map(|level| Side::new(level, move || varint::total_len_u32_with(level, lengths)))
        .collect();
    compare("varint_lengths", &corpus.name, lengths.len(), sides);
}
