//! Ids as text.

use otel_enhance_kernels::{Level, hex};

use crate::corpus::Corpus;
use crate::measure::{Side, compare};

pub(crate) fn run(corpus: &Corpus) {
    let ids = &corpus.trace_ids;
    let mut places = vec![[0; 32]; ids.len()];
    let mut table_places = places.clone();
    let mut crate_places = places.clone();
    compare(
        "hex_trace_id",
        &corpus.name,
        ids.len(),
        vec![
            Side::new("scalar", move || {
                for (id, place) in ids.iter().zip(&mut places) {
                    *place = hex::trace_id(id);
                }
                places.len()
            }),
            Side::new("table", move || {
                for (id, place) in ids.iter().zip(&mut table_places) {
                    table(id, place);
                }
                table_places.len()
            }),
            Side::new("const-hex", move || {
                for (id, place) in ids.iter().zip(&mut crate_places) {
                    assert!(const_hex::encode_to_slice(id, place).is_ok());
                }
                crate_places.len()
            }),
        ],
    );

    let column = ids.as_flattened();
    let mut crate_text = vec![0; 2 * column.len()];
    let mut sides: Vec<_> = Level::supported()
        .map(|level| {
            let mut text = Vec::new();
            Side::new(level, move || {
                text.clear();
                hex::append_with(level, column, &mut text);
                text.len()
            })
        })
        .collect();
    sides.push(Side::new("const-hex", move || {
        assert!(const_hex::encode_to_slice(column, &mut crate_text).is_ok());
        crate_text.len()
    }));
    compare("hex_column", &corpus.name, ids.len(), sides);
}

/// What one would write by hand.
fn table(id: &[u8; 16], text: &mut [u8; 32]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (byte, pair) in id.iter().zip(pairs) {
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
}
