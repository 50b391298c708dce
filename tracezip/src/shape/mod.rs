//! What spans have in common: a *shape* is the bytes of a span without its values.
//!
//! A shape is a sequence of operations, each a byte and its operands, from which a span's bytes can be written
//! again, given the values of its slots in order. Field numbers, their order, attribute keys, explicit defaults
//! and the widths of varints are part of the shape, so that spans of an unusual encoder are as good as others.

mod compiled;
mod fixed;

mod ops;
mod parse;
mod pieces;
mod program;
mod read;
mod write;

pub(crate) use compiled::Compiled;
use ops::Op;
pub(crate) use ops::{Slot, Template};
pub(crate) use parse::{Parsed, peek_end, peek_name};
pub(crate) use read::Miss;
pub(crate) use write::Backwards;

/// Operations of a shape. Those below `LITERAL` are slots.
pub(crate) mod code {
    /// A varint; operand: its width.
    pub(crate) const VARINT: u8 = 1;
    /// Eight bytes.
    pub(crate) const FIXED64: u8 = 2;
    /// Four bytes.
    pub(crate) const FIXED32: u8 = 3;
    /// A length and as many bytes; operand: the length's width.
    pub(crate) const BYTES: u8 = 4;
    /// Sixteen bytes, the span's trace id.
    pub(crate) const TRACE_ID: u8 = 5;
    /// Eight bytes: the span's id, its parent's.
    pub(crate) const SPAN_ID: u8 = 6;
    pub(crate) const PARENT_ID: u8 = 7;
    /// Eight bytes, nanoseconds: the span's start and end, an event's time.
    pub(crate) const START: u8 = 8;
    pub(crate) const END: u8 = 9;
    pub(crate) const EVENT_TIME: u8 = 10;
    /// Sixteen and eight bytes: the ids of a link.
    pub(crate) const LINK_TRACE_ID: u8 = 11;
    pub(crate) const LINK_SPAN_ID: u8 = 12;
    /// Bytes as they are; operands: how many (a byte), the bytes.
    pub(crate) const LITERAL: u8 = 16;
    /// The length of what comes until the matching `CLOSE`; operand: its width.
    pub(crate) const OPEN: u8 = 17;
    pub(crate) const CLOSE: u8 = 18;
}

/// Messages within a span that are opened at most.
pub(crate) const DEEPEST: usize = 32;
/// Bytes of a shape, and slots in it, at most: a span with more is written as it is.
pub(crate) const LONGEST_SHAPE: usize = 16 * 1024;
pub(crate) const MOST_SLOTS: usize = 1024;
