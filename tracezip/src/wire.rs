//! Protobuf's wire format, read without giving up what is unusual about it.

/// The longest varint of a 64-bit value.
const LONGEST: usize = 10;

/// A varint: its value, where it ends, and how many bytes it took if that is more than it needs (else 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Varint {
    pub(crate) value: u64,
    pub(crate) end: usize,
    pub(crate) width: u8,
}

/// Bytes that `value` takes at least.
pub(crate) fn minimal_len(value: u64) -> usize {
    ((70 - (value | 1).leading_zeros()) / 7) as usize
}

/// Reads the varint at `at`; nothing if it is cut off, too long or has bits beyond the 64th.
#[inline]
pub(crate) fn varint(bytes: &[u8], at: usize) -> Option<Varint> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some(Varint {
            value: u64::from(first),
            end: at + 1,
            width: 0,
        });
    }
    // Of two bytes are the lengths of most spans.
    if let Some(&second) = bytes.get(at + 1)
        && second < 0x80
        && second != 0
    {
        return Some(Varint {
            value: u64::from(first & 0x7f) | (u64::from(second) << 7),
            end: at + 2,
            width: 0,
        });
    }
    long_varint(bytes, at)
}

fn long_varint(bytes: &[u8], at: usize) -> Option<Varint> {
    let mut value = 0;
    for (index, &byte) in bytes[at..].iter().take(LONGEST).enumerate() {
        if index == LONGEST - 1 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            let len = index + 1;
            let width = if byte == 0 { len as u8 } else { 0 };
            return Some(Varint {
                value,
                end: at + len,
                width,
            });
        }
    }
    None
}

pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value` in `width` bytes, or in as few as it needs if that is 0 or not enough.
pub(crate) fn put_wide_varint(mut value: u64, width: u8, out: &mut Vec<u8>) {
    for _ in 1..width.min(LONGEST as u8).max(minimal_len(value) as u8) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field as it lies in a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Number and wire type.
    pub(crate) tag: u64,
    /// Where the tag ends.
    pub(crate) tag_end: usize,
    /// The value: of a field with a length, where its contents begin and end.
    pub(crate) value: u64,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Width of the varint that is the value or its length, if that is unusual.
    pub(crate) width: u8,
}

/// Wire types.
pub(crate) const VARINT: u64 = 0;
pub(crate) const FIXED64: u64 = 1;
pub(crate) const LEN: u64 = 2;
pub(crate) const FIXED32: u64 = 5;

/// Reads the field at `at`; nothing if it is cut off or a group, or if its tag is not written as usual.
#[inline]
pub(crate) fn field(bytes: &[u8], at: usize) -> Option<Field> {
    let tag = varint(bytes, at)?;
    if tag.width != 0 || tag.value < 8 {
        return None;
    }
    let tag_end = tag.end;
    let mut field = Field {
        tag: tag.value,
        tag_end,
        value: 0,
        start: tag_end,
        end: tag_end,
        width: 0,
    };
    match tag.value & 7 {
        VARINT => {
            let value = varint(bytes, tag_end)?;
            field.value = value.value;
            field.width = value.width;
            field.end = value.end;
        }
        FIXED64 => {
            field.value = u64::from_le_bytes(*bytes.get(tag_end..)?.first_chunk()?);
            field.end = tag_end + 8;
        }
        FIXED32 => {
            field.value = u64::from(u32::from_le_bytes(*bytes.get(tag_end..)?.first_chunk()?));
            field.end = tag_end + 4;
        }
        LEN => {
            let len = varint(bytes, tag_end)?;
            field.start = len.end;
            field.end = usize::try_from(len.value)
                .ok()
                .and_then(|len| field.start.checked_add(len))
                .filter(|&end| end <= bytes.len())?;
            field.width = len.width;
        }
        _ => return None,
    }
    Some(field)
}
