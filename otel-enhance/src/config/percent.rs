//! Percent-encoded text and lists of `key=value` members, as W3C Baggage writes them.

/// Decodes `%XX`, or says what is wrong. Stricter than the decoder it stands on, which lets a
/// stray `%` through.
pub(crate) fn decode(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    let stray = bytes.iter().enumerate().any(|(at, &byte)| {
        byte == b'%'
            && !bytes
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    if stray {
        return Err("two hexadecimal digits after each `%` (a literal `%` is written `%25`)");
    }
    percent_encoding::percent_decode(bytes)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| "percent-encoded UTF-8")
}

/// The members of a list, trimmed; empty ones (a trailing comma) are skipped.
pub(crate) fn members(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

/// Key and value of a member, trimmed; what follows the first `=` is the value, further ones included.
pub(crate) fn key_value(member: &str) -> Option<(&str, &str)> {
    let (key, value) = member.split_once('=')?;
    let key = key.trim();
    (!key.is_empty()).then(|| (key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: &percent_encoding::AsciiSet =
        &percent_encoding::CONTROLS.add(b'%').add(b',').add(b'=');

    /// A small deterministic generator: these tests need many inputs, not secrecy.
    fn noise(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    #[test]
    fn decode_given_any_text_encoded_returns_that_text() {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..2000 {
            let text: String = (0..noise(&mut seed) % 24)
                .filter_map(|_| char::from_u32((noise(&mut seed) % 0x11_0000) as u32))
                .collect();
            let all: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            assert_eq!(decode(&all).as_deref(), Ok(text.as_str()));
            let needed = percent_encoding::utf8_percent_encode(&text, NEEDED).to_string();
            assert_eq!(decode(&needed).as_deref(), Ok(text.as_str()));
        }
    }

    #[test]
    fn decode_given_any_bytes_never_panics_and_keeps_text_without_percent() {
        let mut seed = 42;
        for _ in 0..5000 {
            let text: String = (0..noise(&mut seed) % 16)
                .map(|_| ['%', '2', 'f', 'G', 'ü', '😀', ' ', '+'][(noise(&mut seed) % 8) as usize])
                .collect();
            let decoded = decode(&text);
            if !text.contains('%') {
                assert_eq!(decoded.as_deref(), Ok(text.as_str()));
            }
        }
    }

    #[test]
    fn decode_given_stray_percent_or_bad_utf8_says_what_is_right() {
        for text in ["%", "a%2", "%zz", "100%", "%2G", "%é0"] {
            assert!(decode(text).is_err_and(|e| e.contains("%25")), "{text}");
        }
        assert_eq!(decode("%ff"), Err("percent-encoded UTF-8"));
        assert_eq!(decode("a+b%20c").as_deref(), Ok("a+b c"));
    }

    #[test]
    fn members_given_spaces_and_trailing_commas_returns_the_members() {
        let list: Vec<_> = members(" a=1 ,, b = 2,").map(key_value).collect();
        assert_eq!(list, [Some(("a", "1")), Some(("b", "2"))]);
        assert_eq!(key_value("a=b=="), Some(("a", "b==")));
        assert_eq!(key_value("=b"), None);
        assert_eq!(key_value("ab"), None);
    }
}
