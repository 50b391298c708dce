//! Strings as JSON text.
//!
//! What must be escaped is the quotation mark, the backslash and the control characters below U+0020
//! (RFC 8259 §7); everything else is written as it is. Attribute values hardly ever have any of these, so
//! the kernel is a search that finds nothing. It is portable code, eight bytes in a machine word or sixteen
//! that the compiler vectorises; the same with AVX2 intrinsics was no faster on real values.

/// From this length on, vectors of the baseline are faster than machine words.
const LONG: usize = 32;

/// Where the first byte is that must be escaped.
///
/// ```
/// use otel_enhance_kernels::json::first_escape;
///
/// assert_eq!(first_escape("SELECT \"name\"".as_bytes()), Some(7));
/// assert_eq!(first_escape("/products/{id}?q=ä".as_bytes()), None);
/// ```
#[inline]
pub fn first_escape(text: &[u8]) -> Option<usize> {
    if text.len() < LONG {
        first_in_words(text)
    } else {
        first_in_blocks(text)
    }
}

/// Appends the text, escaped, without the quotation marks around it.
///
/// Two-character escapes where JSON has them, `\u00XX` in lower case for the other control characters, as
/// serde_json writes them.
///
/// ```
/// let mut json = b"\"".to_vec();
/// otel_enhance_kernels::json::append_escaped("C:\\new\u{1}\n", &mut json);
/// json.push(b'"');
/// assert_eq!(json, br#""C:\\new\u0001\n""#);
/// ```
#[inline]
pub fn append_escaped(text: &str, out: &mut Vec<u8>) {
    match first_escape(text.as_bytes()) {
        None => out.extend_from_slice(text.as_bytes()),
        Some(at) => append_from(text.as_bytes(), at, out),
    }
}

/// The rare case: `at` is the first byte to escape.
#[cold]
fn append_from(mut text: &[u8], mut at: usize, out: &mut Vec<u8>) {
    loop {
        let (clean, rest) = text.split_at(at);
        out.extend_from_slice(clean);
        let Some((byte, rest)) = rest.split_first() else {
            return;
        };
        append_escape(*byte, out);
        text = rest;
        at = first_escape(text).unwrap_or(text.len());
    }
}

fn append_escape(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&crate::hex::byte(byte));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[inline(always)]
fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn first_by_bytes(text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| must_escape(*byte))
}

#[inline(always)]
fn first_in_words(text: &[u8]) -> Option<usize> {
    let Some(last) = text.last_chunk::<8>() else {
        return first_in_halves(text);
    };
    let (words, _) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        if let Some(within) = first_in_word(word) {
            return Some(8 * at + within);
        }
    }
    // Overlaps the last whole word, which is clean.
    first_in_word(last).map(|within| text.len() - 8 + within)
}

/// Of a text shorter than a word.
#[inline(always)]
fn first_in_halves(text: &[u8]) -> Option<usize> {
    let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) else {
        return first_by_bytes(text);
    };
    let mut word = [0; 8];
    word[..4].copy_from_slice(first);
    word[4..].copy_from_slice(last);
    // What both halves have is found in the first one.
    first_in_word(&word).map(|within| {
        if within < 4 {
            within
        } else {
            text.len() + within - 8
        }
    })
}

#[inline(always)]
fn first_in_word(word: &[u8; 8]) -> Option<usize> {
    const fn all(byte: u8) -> u64 {
        0x0101_0101_0101_0101 * byte as u64
    }
    let word = u64::from_le_bytes(*word);
    let below = |word: u64, limit: u8| word.wrapping_sub(all(limit)) & !word;
    // The highest bit of each byte that is one. Borrowing can mark bytes after the first marked one in
    // error, so only the first counts.
    let marks =
        (below(word, 0x20) | below(word ^ all(b'"'), 1) | below(word ^ all(b'\\'), 1)) & all(0x80);
    (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
}

fn first_in_blocks(text: &[u8]) -> Option<usize> {
    // No early end: the compiler makes it one vector comparison.
    let dirty = |block: &[u8; 16]| {
        block
            .iter()
            .fold(false, |any, byte| any | must_escape(*byte))
    };
    let (blocks, rest) = text.as_chunks::<16>();
    for (at, block) in blocks.iter().enumerate() {
        if dirty(block) {
            return first_by_bytes(block).map(|within| 16 * at + within);
        }
    }
    match text.last_chunk::<16>() {
        // Overlaps the last whole block, which is clean.
        Some(last) if !dirty(last) => None,
        _ => first_by_bytes(rest).map(|within| text.len() - rest.len() + within),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::random_bytes;

    #[test]
    fn first_escape_given_one_byte_at_every_place_finds_it() {
        // Neighbours of what must be escaped, in value and with the highest bit set.
        for filler in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
            for length in 0..=300 {
                let mut text = vec![filler; length];
                assert_eq!(first_escape(&text), None, "{length} of {filler:#x}");
                for at in (0..length).rev().step_by(1 + length / 40) {
                    for byte in [0, 0x1f, b'"', b'\\'] {
                        text[at] = byte;
                        assert_eq!(first_escape(&text), Some(at), "{byte:#x} in {length}");
                    }
                    text[at] = filler;
                }
            }
        }
    }

    #[test]
    fn first_escape_given_every_length_and_start_equals_a_search_by_bytes() {
        for seed in 0..8 {
            // Mostly clean, as values are.
            let bytes: Vec<u8> = random_bytes(seed, 320)
                .into_iter()
                .map(|byte| if byte < 250 { byte | 0x40 } else { byte & 0x3f })
                .map(|byte| {
                    if byte == b'\\' && seed % 2 == 0 {
                        b'x'
                    } else {
                        byte
                    }
                })
                .collect();
            for start in 0..=16 {
                for end in start..=start + 300 {
                    let text = &bytes[start..end];
                    assert_eq!(first_escape(text), first_by_bytes(text), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn first_escape_given_every_byte_agrees_with_serde_json() {
        for byte in 0..=127_u8 {
            let character = char::from(byte).to_string();
            let escapes = serde_json::to_string(&character).unwrap().len() > 3;
            assert_eq!(
                first_escape(character.as_bytes()).is_some(),
                escapes,
                "{byte:#x}"
            );
        }
    }

    proptest! {
        #[test]
        fn append_escaped_given_any_text_equals_serde_json(text in "(\\PC|[ -~]|[\\x00-\\x1f\"\\\\]){0,300}") {
            let mut out = b"\"".to_vec();
            append_escaped(&text, &mut out);
            out.push(b'"');
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
