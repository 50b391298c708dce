//! Escapes of JSON strings.

use otel_enhance_kernels::json;

use crate::corpus::Corpus;
use crate::measure::{Side, compare};

pub(crate) fn run(corpus: &Corpus) {
    let values = &corpus.values;
    let sides = vec![
        side("scalar", values, |text, out| {
            let dirty = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            match text.as_bytes().iter().position(dirty) {
                // As rare on every side.
                Some(_) => json::append_escaped(text, out),
                None => out.extend_from_slice(text.as_bytes()),
            }
        }),
        side("portable", values, json::append_escaped),
        side("copy-only", values, |text, out| {
            out.extend_from_slice(text.as_bytes())
        }),
    ];
    compare("json_escape", &corpus.name, values.len(), sides);
}

fn side<'a>(
    name: &str,
    values: &'a [String],
    append: impl Fn(&str, &mut Vec<u8>) + 'a,
) -> Side<'a> {
    let mut out = Vec::new();
    Side::new(name, move || {
        out.clear();
        for value in values {
            append(value, &mut out);
        }
        out.len()
    })
}
