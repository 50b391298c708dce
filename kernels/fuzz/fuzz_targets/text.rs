//! Any text: escapes equal serde_json's, hex equals `format!`, limits end between characters.
#![no_main]

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use otel_enhance_kernels::{Level, hex, json, utf8};

fuzz_target!(|input: (&str, usize)| {
    let (text, limit) = input;
    let limit = limit % (text.len() + 2);

    let mut escaped = b"\"".to_vec();
    json::append_escaped(text, &mut escaped);
    escaped.push(b'"');
    assert_eq!(escaped, serde_json::to_vec(text).unwrap());

    let mut expected = String::new();
    for byte in text.bytes() {
        write!(expected, "{byte:02x}").unwrap();
    }
    for level in Level::supported() {
        let mut out = Vec::new();
        hex::append_with(level, text.as_bytes(), &mut out);
        assert_eq!(out, expected.as_bytes(), "{level}");
    }

    let expected: String = text.chars().take(limit).collect();
    assert_eq!(utf8::truncate_characters(text, limit), expected);
    let cut = utf8::truncate_bytes(text, limit);
    assert!(cut.len() <= limit && limit - cut.len() < 4 || cut.len() == text.len());
});
