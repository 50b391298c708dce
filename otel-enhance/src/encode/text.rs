//! The parts of JSON that OTLP needs.

use otel_enhance_kernels::json::first_escape;

use super::buffer::Buffer;

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
    while let Some(at) = first_escape(rest) {
        out.put_slice(&rest[..at]);
        put_escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
}

#[cold]
fn put_escape(out: &mut Buffer, byte: u8) {
    match byte {
        b'"' | b'\\' => out.put_array([b'\\', byte]),
        b'\n' => out.put_array(*b"\\n"),
        b'\r' => out.put_array(*b"\\r"),
        b'\t' => out.put_array(*b"\\t"),
        // A control character: its number is below 0x20.
        _ => {
            out.put_array(*b"\\u00");
            let low = byte & 15;
            let digit = if low < 10 {
                b'0' + low
            } else {
                b'a' + low - 10
            };
            out.put_array([b'0' + (byte >> 4), digit]);
        }
    }
}
