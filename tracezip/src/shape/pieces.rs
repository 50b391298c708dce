//! What a span of a leaf consists of.

use super::{Op, Slot, Template};
use crate::dict::Plan;
use crate::wire::put_wide_varint;

/// A piece of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes that every span has here.
    Literal {
        at: u32,
        len: u32,
    },
    /// The length of what comes until the matching `Close`, in a varint of this width.
    Open(u8),
    Close,
    /// What each span has its own: which of these it is.
    Slot(Slot, u16),
}

impl Piece {
    /// Its length, if that is the same in all spans.
    pub(super) fn fixed_len(&self) -> Option<usize> {
        match self {
            Self::Literal { len, .. } => Some(*len as usize),
            Self::Open(_) | Self::Slot(Slot::Varint(_) | Slot::Bytes(_), _) => None,
            Self::Close => Some(0),
            Self::Slot(slot, _) => Some(slot.min_len()),
        }
    }

    /// Bytes that it takes at least.
    pub(super) fn least(&self) -> usize {
        self.fixed_len().unwrap_or(1)
    }
}

/// Takes leaves apart; kept from one to the next only to save allocations.
#[derive(Debug, Default)]
pub(super) struct Dissector {
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
    /// Where the bytes begin that are no piece yet.
    from: usize,
    length: Vec<u8>,
    /// Where the pieces of each open message begin, its width, and where the bytes for its length are.
    open: Vec<(usize, u8, usize)>,
}

impl Dissector {
    /// The pieces of a leaf and what their literals are places in. Messages that have the same length in all spans have it
    /// as a literal.
    pub(super) fn pieces(
        &mut self,
        template: &Template,
        plans: &[Plan],
        values: &[u8],
    ) -> (&[Piece], &[u8]) {
        self.pieces.clear();
        self.bytes.clear();
        self.open.clear();
        self.from = 0;
        let mut slots = template.slots.iter().zip(plans);
        let mut own = 0;
        for op in &template.ops {
            match *op {
                Op::Literal { at, len } => {
                    let at = at as usize;
                    self.literal(&template.shape[at..at + usize::from(len)]);
                }
                Op::Open(width) => {
                    self.end_literal();
                    // One byte is what most lengths take, should it turn out that all spans have the same.
                    self.open.push((self.pieces.len(), width, self.bytes.len()));
                    self.pieces.push(Piece::Open(width));
                    self.bytes.push(0);
                    self.from = self.bytes.len();
                }
                Op::Close => {
                    self.end_literal();
                    if let Some((pieces, width, at)) = self.open.pop() {
                        self.close(pieces, width, at);
                    }
                }
                Op::Slot(_) => match slots.next() {
                    Some((slot, Plan::Local)) => {
                        self.end_literal();
                        self.pieces.push(Piece::Slot(*slot, own));
                        own += 1;
                    }
                    Some((slot, plan)) => self.value(*slot, *plan, values),
                    None => {}
                },
            }
        }
        self.end_literal();
        (&self.pieces, &self.bytes)
    }

    fn literal(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes a piece of the bytes that are none yet, or more of the literal that they follow.
    fn end_literal(&mut self) {
        let (from, end) = (self.from as u32, self.bytes.len() as u32);
        if end == from {
            return;
        }
        self.from = self.bytes.len();
        match self.pieces.last_mut() {
            Some(Piece::Literal { at, len }) if *at + *len == from => *len = end - *at,
            _ => self.pieces.push(Piece::Literal {
                at: from,
                len: end - from,
            }),
        }
    }

    /// Ends a message that begins with the piece at `first`, and the bytes for its length at `at`.
    fn close(&mut self, first: usize, width: u8, at: usize) {
        let inner = self.pieces[first + 1..].iter();
        let Some(len) = inner.map(Piece::fixed_len).sum::<Option<usize>>() else {
            self.pieces.push(Piece::Close);
            return;
        };
        let more = if width == 0 && len < 0x80 {
            self.bytes[at] = len as u8;
            0
        } else {
            self.length.clear();
            put_wide_varint(len as u64, width, &mut self.length);
            self.bytes.splice(at..=at, self.length.iter().copied());
            self.length.len() - 1
        };
        // All that is fixed in it lies behind its length.
        for piece in &mut self.pieces[first + 1..] {
            if let Piece::Literal { at, .. } = piece {
                *at += more as u32;
            }
        }
        self.from = self.bytes.len();
        let mut length = 1 + more as u32;
        let mut at = at as u32;
        let mut kept = first + 1;
        // The length becomes one with the literals next to it.
        if let Some(&Piece::Literal { at: next, len }) = self.pieces.get(first + 1)
            && next == at + length
        {
            length += len;
            kept += 1;
        }
        let mut gone = first;
        if let Some(&Piece::Literal { at: before, len }) = self.pieces[..first].last()
            && before + len == at
        {
            length += len;
            at = before;
            gone -= 1;
        }
        self.pieces[gone] = Piece::Literal { at, len: length };
        self.pieces.drain(gone + 1..kept);
    }

    fn value(&mut self, slot: Slot, plan: Plan, values: &[u8]) {
        match (plan, slot) {
            (Plan::Local, _) => {}
            (Plan::Number(number), Slot::Varint(width)) => {
                put_wide_varint(number, width, &mut self.bytes);
            }
            (Plan::Number(number), Slot::Fixed32) => self.literal(&(number as u32).to_le_bytes()),
            (Plan::Number(number), _) => self.literal(&number.to_le_bytes()),
            (Plan::Bytes { at, len }, slot) => {
                let width = match slot {
                    Slot::Bytes(width) => width,
                    _ => 0,
                };
                put_wide_varint(u64::from(len), width, &mut self.bytes);
                self.literal(&values[at as usize..(at + len) as usize]);
            }
        }
    }
}
