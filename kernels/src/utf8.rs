//! Texts cut to a limit of length, between characters.
//!
//! `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` counts characters; limits of memory and of the wire count bytes.
//! Both are portable code, for the second one in blocks that the compiler vectorises.

/// Bytes whose characters are counted at once.
const BLOCK: usize = 32;

/// The longest beginning of at most so many bytes.
///
/// ```
/// use otel_enhance_kernels::utf8::truncate_bytes;
///
/// assert_eq!(truncate_bytes("naïve", 3), "na");
/// assert_eq!(truncate_bytes("naïve", 4), "naï");
/// ```
#[inline]
pub fn truncate_bytes(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The longest beginning of at most so many characters.
///
/// ```
/// use otel_enhance_kernels::utf8::truncate_characters;
///
/// assert_eq!(truncate_characters("naïve", 3), "naï");
/// assert_eq!(truncate_characters("naïve", 5), "naïve");
/// ```
#[inline]
pub fn truncate_characters(text: &str, characters: usize) -> &str {
    // Fewer bytes than the limit are fewer characters too: so it is with most values.
    if text.len() <= characters {
        return text;
    }
    &text[..end_of(text.as_bytes(), characters)]
}

/// Where the character after so many others begins, or the text's end.
fn end_of(text: &[u8], characters: usize) -> usize {
    let (blocks, _) = text.as_chunks::<BLOCK>();
    let mut left = characters;
    let mut at = 0;
    for block in blocks {
        // No early end: the compiler makes it vector instructions.
        let begins: u8 = block
            .iter()
            .map(|byte| u8::from(begins_character(*byte)))
            .sum();
        if usize::from(begins) > left {
            break;
        }
        left -= usize::from(begins);
        at += BLOCK;
    }
    for byte in &text[at..] {
        if begins_character(*byte) {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        at += 1;
    }
    at
}

/// Whether the byte is no continuation of a character.
fn begins_character(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(text: &str, characters: usize) -> String {
        text.chars().take(characters).collect()
    }

    #[test]
    fn truncations_at_every_limit_of_every_length_end_between_characters() {
        // Characters of one to four bytes, so that blocks and limits cut every kind everywhere.
        let text = "aß京😀e\u{301}\0z\u{7ff}\u{800}\u{ffff}".repeat(15);
        let begins: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        assert!(text.len() > 300);
        for (start, end) in (0..12).flat_map(|start| begins.iter().map(move |end| (start, *end))) {
            let Some(text) = text.get(begins[start]..end) else {
                continue;
            };
            for limit in 0..=text.len() + 1 {
                let cut = truncate_characters(text, limit);
                assert_eq!(cut, naive(text, limit), "{limit} characters of {text:?}");
                let cut = truncate_bytes(text, limit);
                assert!(cut.len() <= limit && text.starts_with(cut));
                let next = text[cut.len()..].chars().next();
                assert!(next.is_none_or(|next| cut.len() + next.len_utf8() > limit));
            }
        }
    }

    proptest! {
        #[test]
        fn truncation_of_any_text_keeps_that_many_characters(text in "\\PC{0,200}", limit in 0..210_usize) {
            prop_assert_eq!(truncate_characters(&text, limit), naive(&text, limit));
        }
    }
}
