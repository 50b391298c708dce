//! Arithmetic without tables or branches, which the compiler turns into baseline vector instructions.

/// Two characters for each byte.
#[inline(always)]
pub(super) fn encode<const N: usize>(bytes: &[u8; N]) -> [[u8; 2]; N] {
    let mut text = [[0; 2]; N];
    for (byte, pair) in bytes.iter().zip(&mut text) {
        *pair = [digit(byte >> 4), digit(byte & 0x0f)];
    }
    text
}

#[inline(always)]
fn digit(nibble: u8) -> u8 {
    const TO_LETTERS: u8 = b'a' - b'9' - 1;
    nibble + b'0' + if nibble > 9 { TO_LETTERS } else { 0 }
}

pub(super) fn append(bytes: &[u8], out: &mut Vec<u8>) {
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        out.extend_from_slice(encode(block).as_flattened());
    }
    append_rest(rest, out);
}

/// For what is left after whole vectors.
#[inline(always)]
pub(super) fn append_rest(rest: &[u8], out: &mut Vec<u8>) {
    let (words, rest) = rest.as_chunks::<8>();
    for word in words {
        out.extend_from_slice(encode(word).as_flattened());
    }
    for byte in rest {
        out.extend_from_slice(encode(&[*byte]).as_flattened());
    }
}
