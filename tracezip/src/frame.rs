//! A frame's head and tail: what a message says about itself.

use crate::coder::Streams;
use crate::error::{DecodeError, Result};
use crate::limits::Limits;
use crate::wire::{self, put_varint};

/// The first byte of every frame; no protobuf message begins with it.
pub const MAGIC: u8 = 0x07;
/// The version of the format, with the bits that tell what the frame is.
const VERSION: u8 = 0x10;

/// The frame refers to nothing outside itself, and nothing will refer to it.
pub(crate) const SELF_CONTAINED: u8 = 1;
/// The receiver keeps its models: a later frame may build on them.
pub(crate) const RETAINED: u8 = 2;
/// The text is compressed.
pub(crate) const TEXT_COMPRESSED: u8 = 4;
/// The text is the decoded bytes, and there is nothing else.
pub(crate) const STORED: u8 = 8;
const KNOWN: u8 = SELF_CONTAINED | RETAINED | TEXT_COMPRESSED | STORED;

const HASH_LEN: usize = 8;

/// Identifies a stream: chosen at random by its sender.
pub type StreamId = [u8; 16];

/// How a frame names its stream: by the whole id until the receiver has acknowledged one, then by the handle
/// that the acknowledgement gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamName {
    Id(StreamId),
    /// The handle, and two bytes of the id.
    Handle(u32, u16),
}

/// Two bytes of a stream's id, which make a handle of another receiver conspicuous.
pub(crate) fn check(id: &StreamId) -> u16 {
    u16::from_le_bytes([id[0], id[1]])
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) flags: u8,
    pub(crate) stream: StreamName,
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    /// How many messages ago the one was whose models this one builds on; 0 for none.
    pub(crate) base: u64,
    pub(crate) decoded_len: usize,
}

impl Head {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Appends a frame. `text_len` is the text's length before compression. The hash is in the symbols, if there are
/// any.
pub(crate) fn put(
    head: &Head,
    streams: &Streams<'_>,
    text_len: usize,
    hash: u64,
    out: &mut Vec<u8>,
) {
    // With the head, and a hash.
    out.reserve(streams.symbols.len() + streams.bits.len() + streams.text.len() + 96);
    out.push(MAGIC);
    out.push(VERSION | head.flags);
    if !head.has(SELF_CONTAINED) {
        match head.stream {
            StreamName::Id(id) => {
                out.push(0);
                out.extend_from_slice(&id);
            }
            StreamName::Handle(handle, check) => {
                put_varint(u64::from(handle) + 1, out);
                out.extend_from_slice(&check.to_le_bytes());
            }
        }
        put_varint(head.epoch, out);
        put_varint(head.sequence, out);
        put_varint(head.base, out);
    }
    put_varint(head.decoded_len as u64, out);
    if !head.has(STORED) {
        put_varint(streams.symbols.len() as u64, out);
        put_varint(streams.bits.len() as u64, out);
        put_varint(text_len as u64, out);
    }
    out.extend_from_slice(streams.symbols);
    out.extend_from_slice(streams.bits);
    out.extend_from_slice(streams.text);
    if head.has(STORED) {
        out.extend_from_slice(&hash.to_le_bytes());
    }
}

/// A frame, taken apart.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) head: Head,
    pub(crate) streams: Streams<'a>,
    pub(crate) text_len: usize,
    /// Of what is stored.
    pub(crate) hash: u64,
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u64> {
        let varint = wire::varint(self.rest, 0).ok_or(DecodeError::Truncated)?;
        if varint.width != 0 {
            return Err(DecodeError::Corrupt("a number in the head"));
        }
        self.rest = &self.rest[varint.end..];
        Ok(varint.value)
    }

    fn len(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).map_err(|_| DecodeError::Truncated)
    }
}

pub(crate) fn read<'a>(frame: &'a [u8], limits: &Limits) -> Result<Frame<'a>> {
    let mut cursor = Cursor { rest: frame };
    match cursor.rest.first() {
        None => return Err(DecodeError::Truncated),
        Some(&MAGIC) => {}
        Some(_) => return Err(DecodeError::NotAFrame),
    }
    let [_, flags] = cursor.array()?;
    if flags & 0xf0 != VERSION {
        return Err(DecodeError::Unsupported(flags));
    }
    let flags = flags & 0x0f & KNOWN;
    let mut head = Head {
        flags,
        stream: StreamName::Handle(0, 0),
        epoch: 0,
        sequence: 0,
        base: 0,
        decoded_len: 0,
    };
    if !head.has(SELF_CONTAINED) {
        head.stream = match cursor.number()? {
            0 => StreamName::Id(cursor.array()?),
            handle => {
                let handle = u32::try_from(handle - 1)
                    .map_err(|_| DecodeError::Corrupt("a stream's handle"))?;
                StreamName::Handle(handle, u16::from_le_bytes(cursor.array()?))
            }
        };
        head.epoch = cursor.number()?;
        head.sequence = cursor.number()?;
        head.base = cursor.number()?;
    }
    let decoded = cursor.number()?;
    head.decoded_len = usize::try_from(decoded)
        .ok()
        .filter(|len| *len <= limits.decoded_bytes)
        .ok_or(DecodeError::TooLarge {
            what: "a decoded size",
            declared: decoded,
            limit: limits.decoded_bytes as u64,
        })?;
    let (mut symbols, mut bits, mut text_len) = (0, 0, head.decoded_len);
    if !head.has(STORED) {
        symbols = cursor.len()?;
        bits = cursor.len()?;
        text_len = cursor.len()?;
    }
    let symbols = cursor.take(symbols)?;
    let bits = cursor.take(bits)?;
    let hash_len = if head.has(STORED) { HASH_LEN } else { 0 };
    let text = cursor.rest.len().checked_sub(hash_len);
    let text = cursor.take(text.ok_or(DecodeError::Truncated)?)?;
    let hash = if head.has(STORED) {
        u64::from_le_bytes(cursor.array()?)
    } else {
        0
    };
    Ok(Frame {
        head,
        streams: Streams {
            symbols,
            bits,
            text,
        },
        text_len,
        hash,
    })
}
