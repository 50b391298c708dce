//! The parts of JSON that OTLP needs.

use otel_enhance_kernels::json::first_escape;

use super::cursor::Cursor;

#[inline(always)]
pub(super) fn put_integer(out: &mut Cursor<'_>, value: i64) {
    if value < 0 {
        out.put_byte(b'-');
    }
    put_unsigned(out, value.unsigned_abs());
}

#[inline(always)]
pub(super) fn put_unsigned(out: &mut Cursor<'_>, value: u64) {
    if value < 10 {
        out.put_byte(b'0' + value as u8);
    } else {
        out.apart(|out| put_digits(out, value));
    }
}

#[inline(never)]
fn put_digits(out: &mut Cursor<'_>, value: u64) {
    const EIGHT: u64 = 100_000_000;
    let (higher, lowest) = (value / EIGHT, value % EIGHT);
    if higher == 0 {
        return put_first(out, lowest);
    }
    let (highest, middle) = (higher / EIGHT, higher % EIGHT);
    if highest == 0 {
        put_first(out, middle);
    } else {
        put_first(out, highest);
        out.put_array((eight_digits(middle) | ZEROS).to_le_bytes());
    }
    out.put_array((eight_digits(lowest) | ZEROS).to_le_bytes());
}

const ZEROS: u64 = u64::from_le_bytes(*b"00000000");

/// Up to eight digits, without zeros in front.
#[inline(always)]
fn put_first(out: &mut Cursor<'_>, value: u64) {
    let digits = eight_digits(value);
    // At least one is written.
    let zeros = ((digits | (1 << 56)).trailing_zeros() / 8) as usize;
    let text = (digits | ZEROS) >> (8 * zeros);
    out.put_ending([], &[], text.to_le_bytes(), 8 - zeros);
}

/// The digits of a number below 10^8, the first one in the lowest byte: by halves, each of them
/// divided where it stands.
#[inline(always)]
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    // 10486 / 2^20 and 103 / 2^10 are 1 / 100 and 1 / 10 for all that there is to divide.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | ((twos - 10 * tens) << 8)
}

/// In quotes, with what JSON does not take as it is escaped.
#[inline(always)]
pub(super) fn put_text(out: &mut Cursor<'_>, text: &str) {
    put_text_between(out, *b"\"", text, *b"\"");
}

/// A text whose quotes are the last of `before` and the first of `after`.
#[inline(always)]
pub(super) fn put_text_between<const A: usize, const B: usize>(
    out: &mut Cursor<'_>,
    before: [u8; A],
    text: &str,
    after: [u8; B],
) {
    if first_escape(text.as_bytes()).is_none() {
        out.put_ending(before, text.as_bytes(), after, B);
    } else {
        out.put_array(before);
        out.apart(|out| put_escaped(out, text));
        out.put_array(after);
    }
}

/// Part of a text.
#[inline(never)]
pub(super) fn put_escaped(out: &mut Cursor<'_>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = first_escape(rest) {
        out.put_slice(&rest[..at]);
        put_escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
}

#[cold]
fn put_escape(out: &mut Cursor<'_>, byte: u8) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cursor::written;
    use super::*;

    fn digits(value: u64) -> String {
        String::from_utf8(written(|out| put_unsigned(out, value)).into()).unwrap()
    }

    #[test]
    fn digits_around_every_power_of_ten_are_those_of_the_standard_library() {
        let powers = (0..20).map(|power| 10_u64.pow(power));
        for power in powers.chain([u64::MAX]) {
            for value in power.saturating_sub(3)..=power.saturating_add(3) {
                assert_eq!(digits(value), value.to_string());
            }
        }
    }

    #[test]
    fn digits_of_every_number_of_four_and_its_multiples_are_those_of_the_standard_library() {
        for value in 0..10_000 {
            for value in [value, value * 10_000, value * 10_001] {
                assert_eq!(digits(value), value.to_string());
            }
        }
    }

    proptest! {
        #[test]
        fn digits_of_any_number_are_those_of_the_standard_library(value in any::<u64>(), bits in 0..64) {
            let value = value >> bits;
            prop_assert_eq!(digits(value), value.to_string());
        }

        #[test]
        fn text_between_others_is_escaped_as_serde_json_escapes_it(text in "(\\PC|[\\x00-\\x7f]){0,80}") {
            let ours = written(|out| put_text_between(out, *b"[1,\"", &text, *b"\",2]"));
            let expected = format!("[1,{},2]", serde_json::to_string(&text).unwrap());
            let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
            prop_assert_eq!(read(&ours), read(expected.as_bytes()));
        }
    }
}
