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
    /// Where the pieces of each open message begin, and its width.
    open: Vec<(usize, u8)>,
    joined: Vec<Piece>,
    joined_bytes: Vec<u8>,
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
                    self.open.push((self.pieces.len(), width));
                    self.pieces.push(Piece::Open(width));
                }
                Op::Close => {
                    self.end_literal();
                    if let Some((pieces, width)) = self.open.pop() {
                        self.close(pieces, width);
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
        self.join();
        (&self.joined, &self.joined_bytes)
    }

    fn literal(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes a piece of the bytes that are none yet.
    fn end_literal(&mut self) {
        if self.bytes.len() > self.from {
            self.pieces.push(Piece::Literal {
                at: self.from as u32,
                len: (self.bytes.len() - self.from) as u32,
            });
            self.from = self.bytes.len();
        }
    }

    /// Ends a message that begins with the piece at `first`.
    fn close(&mut self, first: usize, width: u8) {
        let inner = self.pieces[first + 1..].iter();
        let Some(len) = inner.map(Piece::fixed_len).sum::<Option<usize>>() else {
            self.pieces.push(Piece::Close);
            return;
        };
        put_wide_varint(len as u64, width, &mut self.bytes);
        self.end_literal();
        if let Some(length) = self.pieces.pop() {
            self.pieces[first] = length;
        }
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

    /// Makes one of literals that follow each other.
    fn join(&mut self) {
        self.joined.clear();
        self.joined_bytes.clear();
        for piece in &self.pieces {
            let Piece::Literal { at, len } = *piece else {
                self.joined.push(*piece);
                continue;
            };
            let start = self.joined_bytes.len() as u32;
            let bytes = &self.bytes[at as usize..(at + len) as usize];
            self.joined_bytes.extend_from_slice(bytes);
            match self.joined.last_mut() {
                Some(Piece::Literal { len: before, .. }) => *before += len,
                _ => self.joined.push(Piece::Literal { at: start, len }),
            }
        }
    }
}
