//! The parts of protobuf's wire format that OTLP needs.

use super::cursor::Cursor;

/// The bytes of `value` as a varint: 1 to 10.
#[inline(always)]
pub(super) fn varint_len(value: u64) -> usize {
    // Seven bits a byte, and a byte for 0: bits * 9 / 64 is bits / 7 for all of 1 to 64.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// The bytes of a length-delimited field with a tag of one byte, for `len` bytes of content.
#[inline(always)]
pub(super) fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

#[inline(always)]
pub(super) fn put_varint(out: &mut Cursor<'_>, value: u64) {
    if value < 0x80 {
        out.put_byte(value as u8);
    } else if value < 0x4000 {
        out.put_array([value as u8 | 0x80, (value >> 7) as u8]);
    } else {
        out.apart(|out| put_long_varint(out, value));
    }
}

/// `value` as a varint of at most 8 bytes, the first one lowest, and how many they are.
///
/// `value` must have no more than 56 bits.
#[inline(always)]
pub(super) fn short_varint(value: u64) -> (u64, usize) {
    let len = varint_len(value);
    // Seven bits go to each byte, by halves: 28 bits to each half, 14 to each quarter, 7 to each byte.
    let mut spread = (value & 0x0FFF_FFFF) | (value & 0x00FF_FFFF_F000_0000) << 4;
    spread = (spread & 0x0000_3FFF_0000_3FFF) | (spread & 0x0FFF_C000_0FFF_C000) << 2;
    spread = (spread & 0x007F_007F_007F_007F) | (spread & 0x3F80_3F80_3F80_3F80) << 1;
    // All but the last byte say that another one follows.
    let more = 0x0080_8080_8080_8080 & ((1 << (8 * (len as u32 - 1))) - 1);
    (spread | more, len)
}

#[inline(never)]
fn put_long_varint(out: &mut Cursor<'_>, mut value: u64) {
    while value >= 0x80 {
        out.put_byte(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_byte(value as u8);
}

/// Tag and length of a length-delimited field.
#[inline(always)]
pub(super) fn put_header(out: &mut Cursor<'_>, tag: u8, len: usize) {
    out.put_byte(tag);
    put_varint(out, len as u64);
}

/// A string, left out where it is empty.
#[inline(always)]
pub(super) fn put_string(out: &mut Cursor<'_>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_header(out, tag, text.len());
        out.put_slice(text.as_bytes());
    }
}

/// A `uint32`, left out where it is 0.
#[inline(always)]
pub(super) fn put_count(out: &mut Cursor<'_>, tag: u8, count: u32) {
    if count != 0 {
        out.put_byte(tag);
        put_varint(out, u64::from(count));
    }
}

/// A `fixed64`, left out where it is 0.
#[inline(always)]
pub(super) fn put_fixed64(out: &mut Cursor<'_>, tag: u8, value: u64) {
    if value != 0 {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        out.put_array([tag, a, b, c, d, e, f, g, h]);
    }
}

/// A message whose length is known when it has been written: `width` bytes are kept for it, and the
/// message is moved in the rare case that the guess was wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    start: usize,
    width: usize,
}

impl Open {
    #[inline(always)]
    pub(super) fn new(out: &mut Cursor<'_>, tag: u8, width: usize) -> Self {
        // Room for any width: what follows is written over the rest.
        out.put_ending([tag], &[], [0; 5], width);
        let start = out.position();
        Self { start, width }
    }

    /// Writes the length; returns the width that it needed.
    #[inline(always)]
    pub(super) fn close(self, out: &mut Cursor<'_>) -> usize {
        let len = out.position() - self.start;
        let at = self.start - self.width;
        match (self.width, len) {
            (2, 0x80..0x4000) => {
                out.overwrite(at, [len as u8 | 0x80, (len >> 7) as u8]);
                2
            }
            (1, 0..0x80) => {
                out.overwrite(at, [len as u8]);
                1
            }
            _ => out.apart(|out| self.close_any(out, len)),
        }
    }

    #[inline(never)]
    fn close_any(self, out: &mut Cursor<'_>, len: usize) -> usize {
        let at = self.start - self.width;
        let width = varint_len(len as u64);
        if width != self.width {
            out.move_tail(len, at + width);
        }
        let mut rest = len;
        for place in at..at + width - 1 {
            out.overwrite(place, [rest as u8 | 0x80]);
            rest >>= 7;
        }
        out.overwrite(at + width - 1, [rest as u8]);
        width
    }
}
