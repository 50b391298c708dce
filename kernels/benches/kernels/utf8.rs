//! Texts cut to a limit, and their validation.

use otel_enhance_kernels::utf8;

use crate::corpus::Corpus;
use crate::measure::{Side, compare};

pub(crate) fn run(corpus: &Corpus) {
    for limit in [8, 32, 64, 256] {
        // The others are left as they are, after one comparison on both sides.
        let values: Vec<&str> = corpus.values.iter().map(String::as_str).collect();
        let values: &Vec<&str> = &values
            .into_iter()
            .filter(|text| text.len() > limit)
            .collect();
        if values.is_empty() {
            continue;
        }
        let by_characters = |text: &str| {
            let next = text.char_indices().nth(limit);
            next.map_or(text.len(), |(end, _)| end)
        };
        let sides = vec![
            Side::new("scalar", || {
                values.iter().map(|text| by_characters(text)).sum()
            }),
            Side::new("portable", || {
                let cut = |text: &&str| utf8::truncate_characters(text, limit).len();
                values.iter().map(cut).sum()
            }),
        ];
        compare(
            &format!("truncate_{limit}"),
            &corpus.name,
            values.len(),
            sides,
        );
    }

    let values = &corpus.values;
    let arena = &values.concat().into_bytes();
    let std = |text: &[u8]| std::str::from_utf8(text).is_ok();
    let simdutf8 = |text: &[u8]| simdutf8::basic::from_utf8(text).is_ok();
    let each =
        |valid: fn(&[u8]) -> bool| values.iter().filter(|text| valid(text.as_bytes())).count();
    compare(
        "validate_values",
        &corpus.name,
        values.len(),
        vec![
            Side::new("scalar", move || each(std)),
            Side::new("simdutf8", move || each(simdutf8)),
        ],
    );
    compare(
        "validate_arena",
        &corpus.name,
        values.len(),
        vec![
            Side::new("scalar", move || usize::from(std(arena))),
            Side::new("simdutf8", move || usize::from(simdutf8(arena))),
        ],
    );
}
