//! Bits of fixed width, one after the other.

use super::{Frame, UnpackError};

/// So many values take as many bytes as one has bits.
const GROUP: usize = 8;
/// Bytes of the word that holds a value, or the larger part of it.
const WORD: usize = 8;

/// Appends the values relative to the frame's base: [`Frame::packed_len`] bytes. Of values that the frame
/// does not hold, the bits that fit are kept.
pub fn append_packed(frame: Frame, values: &[u64], out: &mut Vec<u8>) {
    let width = u32::from(frame.width());
    let Some(mask) = mask(frame) else {
        return;
    };
    out.reserve(frame.packed_len(values.len()));
    let (mut word, mut filled) = (0_u64, 0);
    for value in values {
        let bits = value.wrapping_sub(frame.base()) & mask;
        word |= bits << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            // The bits that did not fit; none if the word ended with the value.
            word = if filled == 0 {
                0
            } else {
                bits >> (width - filled)
            };
        }
    }
    let bytes = filled.div_ceil(8) as usize;
    out.extend_from_slice(&word.to_le_bytes()[..bytes]);
}

/// Appends as many values as `count` says, from [`Frame::packed_len`] bytes and more. Hold a count that was
/// read against a limit first: values of width 0 take no bytes.
///
/// # Errors
///
/// [`UnpackError::Truncated`] if there are fewer bytes; `out` is left as it was.
pub fn append_unpacked(
    frame: Frame,
    bytes: &[u8],
    count: usize,
    out: &mut Vec<u64>,
) -> Result<(), UnpackError> {
    let needed = frame.packed_len(count);
    let Some(packed) = bytes.get(..needed) else {
        return Err(UnpackError::Truncated {
            needed,
            available: bytes.len(),
        });
    };
    let base = frame.base();
    let Some(mask) = mask(frame) else {
        out.resize(out.len() + count, base);
        return Ok(());
    };
    let width = usize::from(frame.width());
    out.reserve(count);
    let (mut rest, mut left) = (packed, count);
    // With a word more than the group's bytes every value can be read in one go; up to 57 bits are in it.
    while left >= GROUP && width <= 57 {
        let Some(group) = rest.get(..width + WORD) else {
            break;
        };
        let mut values = [0; GROUP];
        for (at, value) in values.iter_mut().enumerate() {
            let bit = at * width;
            let word = group[bit / 8..].first_chunk().copied().unwrap_or_default();
            *value = ((u64::from_le_bytes(word) >> (bit % 8)) & mask).wrapping_add(base);
        }
        out.extend_from_slice(&values);
        rest = &rest[width..];
        left -= GROUP;
    }
    out.extend((0..left).map(|at| (read(rest, at * width) & mask).wrapping_add(base)));
    Ok(())
}

/// The bits of one value; none if it has no bits.
fn mask(frame: Frame) -> Option<u64> {
    u64::MAX.checked_shr(64 - u32::from(frame.width()))
}

/// The 64 bits from `bit` on, zeros behind the end.
fn read(bytes: &[u8], bit: usize) -> u64 {
    let bytes = bytes.get(bit / 8..).unwrap_or_default();
    let mut wide = [0; 16];
    // A value that begins within a byte can lie in nine.
    let length = bytes.len().min(9);
    wide[..length].copy_from_slice(&bytes[..length]);
    (u128::from_le_bytes(wide) >> (bit % 8)) as u64
}
