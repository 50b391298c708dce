//! Strings as patterns with parameters: `session:4855` is `session:` and a number.
//!
//! A pattern is the string with a marker in place of each parameter: a zero byte and what the parameter is.

/// What follows the zero byte.
mod marker {
    /// The zero byte itself.
    pub(super) const ZERO: u8 = 0;
    /// A decimal number without leading zeros.
    pub(super) const NUMBER: u8 = 1;
    /// A decimal number of fixed width, a byte.
    pub(super) const PADDED: u8 = 2;
    /// Sixteen bytes as 8-4-4-4-12 lower-case hexadecimal digits.
    pub(super) const UUID: u8 = 3;
    /// Lower-case hexadecimal digits; their number, even and at most 32, a byte.
    pub(super) const HEX: u8 = 4;
    /// Any text.
    pub(super) const TEXT: u8 = 5;
}

/// The pattern of which every string is an instance.
pub(crate) const ANYTHING: &[u8] = &[0, marker::TEXT];

/// Parameters in a pattern at most.
const MOST_PARAMETERS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Padded(u8),
    Uuid,
    /// By the number of digits.
    Hex(u8),
    Text,
}

/// The value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    Number(u64),
    Bytes(u128),
}

/// A part of a pattern, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(Box<[u8]>),
    Parameter(Kind),
}

/// What a byte is to a pattern: 0 none, 1 digit, 2 other hexadecimal digit, 3 other part of a word.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        classes[byte] = match b {
            b'0'..=b'9' => 1,
            b'a'..=b'f' => 2,
            b'g'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80.. => 3,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// Splits a string into its pattern and parameters. Says no if it has none, and is its own pattern.
pub(crate) fn split(text: &[u8], pattern: &mut Vec<u8>, parameters: &mut Vec<Parameter>) -> bool {
    pattern.clear();
    parameters.clear();
    let mut at = 0;
    // What was copied to the pattern so far.
    let mut copied = 0;
    while at < text.len() {
        let first = class(text[at]);
        if first == 0 {
            if text[at] == 0 {
                pattern.extend_from_slice(&text[copied..at]);
                pattern.extend_from_slice(&[0, marker::ZERO]);
                copied = at + 1;
            }
            at += 1;
            continue;
        }
        let (start, mut widest) = (at, first);
        at += 1;
        while at < text.len() && class(text[at]) != 0 {
            widest = widest.max(class(text[at]));
            at += 1;
        }
        if widest == 3 || parameters.len() >= MOST_PARAMETERS - 1 {
            continue;
        }
        let word = &text[start..at];
        if word.len() == 8
            && let Some(uuid) = uuid(text, start)
        {
            at = start + 36;
            pattern.extend_from_slice(&text[copied..start]);
            pattern.extend_from_slice(&[0, marker::UUID]);
            parameters.push(Parameter::Bytes(uuid));
            copied = at;
        } else if widest == 1 && word.len() < 19 {
            pattern.extend_from_slice(&text[copied..start]);
            if word[0] == b'0' && word.len() > 1 {
                pattern.extend_from_slice(&[0, marker::PADDED, word.len() as u8]);
            } else {
                pattern.extend_from_slice(&[0, marker::NUMBER]);
            }
            let number = word
                .iter()
                .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            parameters.push(Parameter::Number(number));
            copied = at;
        } else if word.len() >= 12 && word.len().is_multiple_of(2) {
            for digits in word.chunks(32) {
                if parameters.len() >= MOST_PARAMETERS - 1 {
                    break;
                }
                pattern.extend_from_slice(&text[copied..start.max(copied)]);
                pattern.extend_from_slice(&[0, marker::HEX, digits.len() as u8]);
                // Classes said that they are all digits.
                parameters.push(Parameter::Bytes(unhex(digits).unwrap_or_default()));
                copied = start.max(copied) + digits.len();
            }
        }
    }
    pattern.extend_from_slice(&text[copied..]);
    !parameters.is_empty()
}

/// Whether a string is an instance of a pattern without text of any kind; if so, with these parameters. A word
/// is a parameter as a whole, as if the string had been split.
pub(crate) fn matches(parts: &[Part], text: &[u8], parameters: &mut Vec<Parameter>) -> bool {
    parameters.clear();
    let mut at = 0;
    for part in parts {
        let rest = &text[at..];
        match part {
            Part::Literal(literal) => {
                if !rest.starts_with(literal) {
                    return false;
                }
                at += literal.len();
            }
            Part::Parameter(kind) => {
                let Some((parameter, len)) = parameter(*kind, rest) else {
                    return false;
                };
                at += len;
                parameters.push(parameter);
            }
        }
    }
    at == text.len()
}

/// The parameter that a string begins with, and its length.
fn parameter(kind: Kind, text: &[u8]) -> Option<(Parameter, usize)> {
    match kind {
        Kind::Number => {
            let (number, len) = digits(text, 19);
            let is_canonical = len > 0 && len < 19 && (text[0] != b'0' || len == 1);
            is_canonical.then_some((Parameter::Number(number), len))
        }
        Kind::Padded(width) => {
            let width = usize::from(width);
            let (number, len) = digits(text, width + 1);
            (len == width).then_some((Parameter::Number(number), len))
        }
        Kind::Uuid => Some((Parameter::Bytes(uuid(text, 0)?), 36)),
        Kind::Hex(digits) => {
            let digits = text.get(..usize::from(digits))?;
            Some((Parameter::Bytes(unhex(digits)?), digits.len()))
        }
        Kind::Text => None,
    }
}

/// The number that a string begins with, of at most so many digits (19 fit), and how many it has.
#[inline]
fn digits(text: &[u8], most: usize) -> (u64, usize) {
    let (mut number, mut len) = (0, 0);
    for byte in text.iter().take(most) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number * 10 + u64::from(digit);
        len += 1;
    }
    (number, len)
}

/// The number that eight lower-case hexadecimal digits are.
#[inline]
fn unhex8(digits: &[u8]) -> Option<u32> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let text = u64::from_be_bytes(*digits.first_chunk()?);
    // Letters have the bit 0x40, and their lower halves begin at 1.
    let letters = (text >> 6) & EACH;
    let nibbles = (text & (EACH * 15)) + letters * 9;
    // Whether that is how these nibbles are written.
    let above = ((nibbles + EACH * 6) >> 4) & EACH;
    if nibbles & (EACH * 0xf0) != 0 || nibbles + EACH * 0x30 + above * 39 != text {
        return None;
    }
    let pairs = (nibbles | (nibbles >> 4)) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    Some((quads | (quads >> 16)) as u32)
}

/// The number that lower-case hexadecimal digits are; nothing if one is none.
fn unhex(digits: &[u8]) -> Option<u128> {
    let mut number = 0;
    let (eights, rest) = digits.as_chunks::<8>();
    for eight in eights {
        number = (number << 32) | u128::from(unhex8(eight)?);
    }
    for &digit in rest {
        let value = match class(digit) {
            1 => digit - b'0',
            2 => digit - b'a' + 10,
            _ => return None,
        };
        number = (number << 4) | u128::from(value);
    }
    Some(number)
}

/// The UUID at `start`, if there is one with nothing of a word after it.
fn uuid(text: &[u8], start: usize) -> Option<u128> {
    let digits: &[u8; 36] = text.get(start..)?.first_chunk()?;
    if text.get(start + 36).is_some_and(|&next| class(next) != 0) {
        return None;
    }
    if [8, 13, 18, 23].iter().any(|&at| digits[at] != b'-') {
        return None;
    }
    let halves = |one: usize, other: usize| {
        let mut eight = [0; 8];
        eight[..4].copy_from_slice(&digits[one..one + 4]);
        eight[4..].copy_from_slice(&digits[other..other + 4]);
        unhex8(&eight)
    };
    let quarters = [
        unhex8(&digits[..8])?,
        halves(9, 14)?,
        halves(19, 24)?,
        unhex8(&digits[28..])?,
    ];
    let quarters = quarters.iter();
    Some(quarters.fold(0, |number, &quarter| (number << 32) | u128::from(quarter)))
}

/// Reads a pattern; nothing if it is none.
pub(crate) fn read(pattern: &[u8]) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut bytes = pattern.iter();
    let mut parameters = 0;
    loop {
        let rest = bytes.as_slice();
        let len = rest.iter().position(|byte| *byte == 0);
        let plain = &rest[..len.unwrap_or(rest.len())];
        // As much as it takes, for a literal hardly ever goes on behind a zero byte.
        literal.reserve_exact(plain.len());
        literal.extend_from_slice(plain);
        bytes = rest[plain.len()..].iter();
        if bytes.next().is_none() {
            break;
        }
        let kind = match *bytes.next()? {
            marker::ZERO => {
                literal.push(0);
                continue;
            }
            marker::NUMBER => Kind::Number,
            marker::PADDED => Kind::Padded(*bytes.next().filter(|width| (2..19).contains(*width))?),
            marker::UUID => Kind::Uuid,
            marker::HEX => Kind::Hex(*bytes.next().filter(|len| (1..=32).contains(*len))?),
            marker::TEXT => Kind::Text,
            _ => return None,
        };
        parameters += 1;
        if parameters > MOST_PARAMETERS {
            return None;
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(core::mem::take(&mut literal).into()));
        }
        parts.push(Part::Parameter(kind));
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.into()));
    }
    Some(parts)
}

/// Appends the pattern of which these parts are, with those parameters that have a bit in `fixed` as they are.
pub(crate) fn fix(parts: &[Part], parameters: &[Parameter], fixed: u16, pattern: &mut Vec<u8>) {
    let mut parameters = parameters.iter().enumerate();
    for part in parts {
        match part {
            Part::Literal(literal) => {
                for &byte in literal {
                    pattern.push(byte);
                    if byte == 0 {
                        pattern.push(marker::ZERO);
                    }
                }
            }
            Part::Parameter(kind) => match (parameters.next(), *kind) {
                (Some((at, parameter)), kind) if fixed >> at & 1 == 1 => {
                    put(kind, *parameter, pattern);
                }
                (_, Kind::Number) => pattern.extend([0, marker::NUMBER]),
                (_, Kind::Padded(width)) => pattern.extend([0, marker::PADDED, width]),
                (_, Kind::Uuid) => pattern.extend([0, marker::UUID]),
                (_, Kind::Hex(digits)) => pattern.extend([0, marker::HEX, digits]),
                (_, Kind::Text) => pattern.extend([0, marker::TEXT]),
            },
        }
    }
}

/// Appends a parameter as text.
pub(crate) fn put(kind: Kind, parameter: Parameter, out: &mut Vec<u8>) {
    match (kind, parameter) {
        (Kind::Number, Parameter::Number(number)) => put_decimal(number, 1, out),
        (Kind::Padded(width), Parameter::Number(number)) => put_decimal(number, width, out),
        (Kind::Uuid, Parameter::Bytes(bytes)) => {
            for (digits, shift) in [(8, 96), (4, 80), (4, 64), (4, 48), (12, 0)] {
                if shift != 96 {
                    out.push(b'-');
                }
                put_hex(bytes >> shift, digits, out);
            }
        }
        (Kind::Hex(digits), Parameter::Bytes(bytes)) => put_hex(bytes, u32::from(digits), out),
        _ => {}
    }
}

fn put_decimal(mut number: u64, width: u8, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 || digits.len() - start < usize::from(width) {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[start..]);
}

fn put_hex(bytes: u128, digits: u32, out: &mut Vec<u8>) {
    let mut all = [0; 32];
    for (eight, at) in all.as_chunks_mut::<8>().0.iter_mut().rev().zip(0..) {
        *eight = hex8((bytes >> (32 * at)) as u32);
    }
    out.extend_from_slice(&all[32 - digits.min(32) as usize..]);
}

/// A number as eight hexadecimal digits.
#[inline]
fn hex8(number: u32) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let quads = u64::from(number);
    let quads = (quads | (quads << 16)) & 0x0000_ffff_0000_ffff;
    let pairs = (quads | (quads << 8)) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (pairs | (pairs << 4)) & (EACH * 15);
    let above = ((nibbles + EACH * 6) >> 4) & EACH;
    (nibbles + EACH * 0x30 + above * 39).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn join(pattern: &[u8], parameters: &[Parameter]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut parameters = parameters.iter();
        for part in read(pattern).expect("a pattern") {
            match part {
                Part::Literal(literal) => out.extend_from_slice(&literal),
                Part::Parameter(kind) => put(kind, *parameters.next().unwrap(), &mut out),
            }
        }
        assert!(parameters.next().is_none());
        out
    }

    #[test]
    fn split_of_known_texts_finds_the_parameters() {
        for (text, expected) in [
            ("session:4855", "session:\0\u{1}"),
            (
                "/cart/0c988b9f-e7d8-452b-94ca-612416068da3",
                "/cart/\0\u{3}",
            ),
            ("id1_0_ v2 $1", "id1_0_ v2 $1"),
            ("at 007", "at \0\u{2}\u{3}"),
            ("0", "\0\u{1}"),
            (
                "65f90c5e954433d2460626d0678ae899ed77e565",
                "\0\u{4}\u{20}\0\u{4}\u{8}",
            ),
        ] {
            let (mut pattern, mut parameters) = (Vec::new(), Vec::new());
            split(text.as_bytes(), &mut pattern, &mut parameters);
            assert_eq!(pattern, expected.as_bytes(), "{text}");
            assert_eq!(join(&pattern, &parameters), text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn split_of_anything_joins_to_the_same(text in "[-0-9a-f/:\u{0} g]{0,120}") {
            let (mut pattern, mut parameters) = (Vec::new(), Vec::new());
            split(text.as_bytes(), &mut pattern, &mut parameters);
            prop_assert_eq!(join(&pattern, &parameters), text.as_bytes());
        }

        #[test]
        fn text_with_some_parameters_fixed_joins_to_the_same(text in "[-0-9a-f/:\u{0} g]{0,120}", fixed: u16) {
            let (mut pattern, mut parameters) = (Vec::new(), Vec::new());
            split(text.as_bytes(), &mut pattern, &mut parameters);
            let parts = read(&pattern).expect("a pattern");
            let mut few = Vec::new();
            fix(&parts, &parameters, fixed, &mut few);
            let at = core::cell::Cell::new(0);
            parameters.retain(|_| fixed >> at.replace(at.get() + 1) & 1 == 0);
            prop_assert_eq!(join(&few, &parameters), text.as_bytes());
        }

        #[test]
        fn split_of_any_bytes_joins_to_the_same(text in any::<Vec<u8>>()) {
            let (mut pattern, mut parameters) = (Vec::new(), Vec::new());
            split(&text, &mut pattern, &mut parameters);
            prop_assert_eq!(join(&pattern, &parameters), text);
        }
    }
}
