//! Spans' start times and durations in few bits.

use otel_enhance_kernels::Level;
use otel_enhance_kernels::pack::{self, Frame};

use crate::corpus::Corpus;
use crate::measure::{Side, compare};

pub(crate) fn run(corpus: &Corpus) {
    let name = corpus.name.as_str();
    let starts = &corpus.starts;
    let sides = Level::supported()
        .map(|level| {
            let mut column = Vec::new();
            Side::new(level, move || {
                column.clear();
                pack::append_deltas_with(level, 0, starts, &mut column);
                column.len()
            })
        })
        .collect();
    compare("pack_deltas", name, starts.len(), sides);

    let durations = &corpus.durations;
    let sides = Level::supported()
        .map(|level| {
            Side::new(level, move || {
                usize::from(Frame::of_with(level, durations).width())
            })
        })
        .collect();
    compare("pack_frame", name, durations.len(), sides);

    let mut deltas = Vec::new();
    pack::append_deltas(
        starts.first().copied().unwrap_or_default(),
        starts,
        &mut deltas,
    );
    let mut column = Vec::new();
    compare(
        "pack_undo_deltas",
        name,
        starts.len(),
        vec![Side::new("scalar", move || {
            column.clone_from(&deltas);
            pack::undo_deltas(0, &mut column);
            column.len()
        })],
    );

    let frame = Frame::of(durations);
    let mut packed = Vec::new();
    pack::append_packed(frame, durations, &mut packed);
    let mut bytes = Vec::new();
    let mut values = Vec::new();
    compare(
        "pack_bits",
        name,
        durations.len(),
        vec![Side::new("scalar", move || {
            bytes.clear();
            pack::append_packed(frame, durations, &mut bytes);
            bytes.len()
        })],
    );
    compare(
        "unpack_bits",
        name,
        durations.len(),
        vec![Side::new("scalar", move || {
            values.clear();
            assert!(pack::append_unpacked(frame, &packed, durations.len(), &mut values).is_ok());
            values.len()
        })],
    );
}
