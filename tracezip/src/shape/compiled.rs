//! A leaf as the bytes that its spans have in common, and the slots between them.

use super::{Op, Slot, Template};
use crate::dict::Plan;
use crate::wire::{self, put_wide_varint};

/// A piece of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes that every span has here.
    Literal {
        at: u32,
        len: u32,
    },
    /// The length of what comes until the matching `Close`, in a varint of this width.
    Open(u8),
    Close,
    /// What each span has its own: the slot's index.
    Slot(Slot, u16),
}

/// What spans of a leaf are read and written by.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(super) pieces: Box<[Piece]>,
    pub(super) bytes: Box<[u8]>,
}

impl Compiled {
    /// Messages that hold nothing of a span's own become literals, their lengths too.
    pub(crate) fn new(template: &Template, plans: &[Plan], values: &[u8]) -> Self {
        let mut compiler = Compiler::default();
        let mut slots = template.slots.iter().zip(plans).enumerate();
        // Where the pieces and bytes of each open message begin.
        let mut open = Vec::new();
        for op in &template.ops {
            match *op {
                Op::Literal { at, len } => {
                    let at = at as usize;
                    compiler.literal(&template.shape[at..at + usize::from(len)]);
                }
                Op::Open(width) => {
                    compiler.end_literal();
                    open.push((compiler.pieces.len(), compiler.bytes.len(), width));
                    compiler.pieces.push(Piece::Open(width));
                }
                Op::Close => {
                    compiler.end_literal();
                    let Some((pieces, bytes, width)) = open.pop() else {
                        continue;
                    };
                    if compiler.pieces[pieces + 1..].iter().all(Piece::is_literal) {
                        compiler.fold(pieces, bytes, width);
                    } else {
                        compiler.pieces.push(Piece::Close);
                    }
                }
                Op::Slot(_) => {
                    let Some((index, (slot, plan))) = slots.next() else {
                        continue;
                    };
                    compiler.slot(*slot, index as u16, *plan, values);
                }
            }
        }
        compiler.end_literal();
        Self {
            pieces: compiler.pieces.into(),
            bytes: compiler.bytes.into(),
        }
    }

    /// Whether the span at `start..end` of `input` is of this leaf; if so, its own values are in `values`.
    pub(crate) fn matches(
        &self,
        input: &[u8],
        start: usize,
        end: usize,
        values: &mut [u64],
    ) -> bool {
        let span = &input[..end];
        let mut ends = [0; super::DEEPEST + 2];
        let (mut at, mut depth) = (start, 0);
        for piece in &self.pieces {
            match *piece {
                Piece::Literal { at: from, len } => {
                    let (from, len) = (from as usize, len as usize);
                    if span.get(at..at + len) != Some(&self.bytes[from..from + len]) {
                        return false;
                    }
                    at += len;
                }
                Piece::Open(width) => {
                    let Some(len) = wire::varint(span, at) else {
                        return false;
                    };
                    if len.width != width || (end - len.end) as u64 <= len.value.wrapping_sub(1) {
                        return false;
                    }
                    at = len.end;
                    ends[depth] = at + len.value as usize;
                    depth += 1;
                }
                Piece::Close => {
                    depth -= 1;
                    if ends[depth] != at {
                        return false;
                    }
                }
                Piece::Slot(slot, index) => {
                    let Some((value, next)) = read(slot, span, at) else {
                        return false;
                    };
                    at = next;
                    values[usize::from(index)] = value;
                }
            }
        }
        at == end
    }
}

/// A slot's value, and where it ends.
#[inline]
fn read(slot: Slot, span: &[u8], at: usize) -> Option<(u64, usize)> {
    match slot {
        Slot::Varint(width) => {
            let value = wire::varint(span, at)?;
            (value.width == width).then_some((value.value, value.end))
        }
        Slot::Bytes(width) => {
            let len = wire::varint(span, at)?;
            let end = len.end.checked_add(usize::try_from(len.value).ok()?)?;
            (len.width == width && end <= span.len())
                .then_some((((len.end as u64) << 32) | len.value, end))
        }
        Slot::Fixed32 => {
            let bytes = span.get(at..)?.first_chunk()?;
            Some((u64::from(u32::from_le_bytes(*bytes)), at + 4))
        }
        Slot::TraceId | Slot::LinkTraceId => {
            (at + 16 <= span.len()).then_some((((at as u64) << 32) | 16, at + 16))
        }
        _ => {
            let bytes = span.get(at..)?.first_chunk()?;
            Some((u64::from_le_bytes(*bytes), at + 8))
        }
    }
}

impl Piece {
    fn is_literal(&self) -> bool {
        matches!(self, Self::Literal { .. })
    }
}

#[derive(Default)]
struct Compiler {
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
    /// Where the bytes begin that are no piece yet.
    from: usize,
}

impl Compiler {
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

    /// Takes back an open message that has literals only: they, after their length, continue the literal before
    /// it.
    fn fold(&mut self, pieces: usize, bytes: usize, width: u8) {
        self.pieces.truncate(pieces);
        let contents = self.bytes.split_off(bytes);
        self.from = bytes;
        if let Some(Piece::Literal { at, .. }) = self.pieces.last() {
            self.from = *at as usize;
            self.pieces.pop();
        }
        put_wide_varint(contents.len() as u64, width, &mut self.bytes);
        self.bytes.extend_from_slice(&contents);
    }

    fn slot(&mut self, slot: Slot, index: u16, plan: Plan, values: &[u8]) {
        match (plan, slot) {
            (Plan::Local, _) => {
                self.end_literal();
                self.pieces.push(Piece::Slot(slot, index));
            }
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
