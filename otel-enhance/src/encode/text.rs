//! The parts of JSON that OTLP needs.

use super::buffer::Buffer;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Two digits for each byte, in lower case.
pub(super) fn put_hex(out: &mut Buffer, bytes: &[u8]) {
    for byte in bytes {
        out.put_array([
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
}

pub(super) fn put_integer(out: &mut Buffer, value: i64) {
    if value < 0 {
        out.put_byte(b'-');
    }
    put_unsigned(out, value.unsigned_abs());
}

pub(super) fn put_unsigned(out: &mut Buffer, mut value: u64) {
    // The longest has 20 digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

/// In quotes, with what JSON does not take as it is escaped.
pub(super) fn put_text(out: &mut Buffer, text: &str) {
    out.put_byte(b'"');
    put_escaped(out, text);
    out.put_byte(b'"');
}

/// Part of a text.
pub(super) fn put_escaped(out: &mut Buffer, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| ESCAPED[usize::from(*byte)]) {
        out.put_slice(&rest[..at]);
        put_escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
}

/// Control characters, quotes and backslashes; whatever is part of a longer character is none of them.
static ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

#[cold]
fn put_escape(out: &mut Buffer, byte: u8) {
    match byte {
        b'"' | b'\\' => out.put_array([b'\\', byte]),
        b'\n' => out.put_array(*b"\\n"),
        b'\r' => out.put_array(*b"\\r"),
        b'\t' => out.put_array(*b"\\t"),
        _ => {
            out.put_array(*b"\\u00");
            put_hex(out, &[byte]);
        }
    }
}
