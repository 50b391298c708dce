//! A shape, read.

use super::{DEEPEST, LONGEST_SHAPE, MOST_SLOTS, code};
use crate::error::{DecodeError, Result};

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Varint(u8),
    Fixed64,
    Fixed32,
    Bytes(u8),
    TraceId,
    SpanId,
    ParentId,
    Start,
    End,
    EventTime,
    LinkTraceId,
    LinkSpanId,
}

impl Slot {
    /// Whether the slot may hold the same in many spans: ids and times do not.
    pub(crate) fn is_plain(self) -> bool {
        matches!(
            self,
            Self::Varint(_) | Self::Fixed64 | Self::Fixed32 | Self::Bytes(_)
        )
    }

    pub(super) fn min_len(self) -> usize {
        match self {
            Self::Varint(_) | Self::Bytes(_) => 1,
            Self::Fixed32 => 4,
            Self::TraceId | Self::LinkTraceId => 16,
            _ => 8,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// Bytes of the shape.
    Literal {
        at: u32,
        len: u8,
    },
    Open(u8),
    Close,
    Slot(Slot),
}

/// A shape in a form that spans are written by.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) shape: Box<[u8]>,
    pub(crate) ops: Box<[Op]>,
    pub(crate) slots: Box<[Slot]>,
    /// Bytes that a span of this shape has at least.
    pub(crate) min_len: usize,
}

impl Template {
    /// The text before a slot: usually an attribute's key.
    pub(crate) fn name_before(&self, slot: usize) -> String {
        let (mut slots, mut name) = (0, String::new());
        for op in &self.ops {
            match *op {
                Op::Slot(kind) => {
                    if slots == slot {
                        return format!("{name} {kind:?}");
                    }
                    slots += 1;
                }
                Op::Literal { at, len } if len > 3 => {
                    let bytes = &self.shape[at as usize..at as usize + usize::from(len)];
                    let shown = bytes.iter().filter(|byte| byte.is_ascii_graphic());
                    name = shown.map(|byte| char::from(*byte)).collect();
                }
                _ => {}
            }
        }
        name
    }

    /// Reads a shape.
    pub(crate) fn read(shape: &[u8]) -> Result<Self> {
        let corrupt = DecodeError::Corrupt("a template");
        // A little over what a parser stops at: it stops after the field that was too much.
        if shape.len() > 2 * LONGEST_SHAPE {
            return Err(corrupt);
        }
        let (mut ops, mut slots) = (Vec::new(), Vec::new());
        let (mut at, mut depth, mut min_len) = (0, 0, 0);
        while let Some(&op) = shape.get(at) {
            at += 1;
            let operand = *shape.get(at).unwrap_or(&0);
            let has_operand = matches!(op, code::VARINT | code::BYTES | code::OPEN | code::LITERAL);
            if has_operand {
                if at >= shape.len() || (op != code::LITERAL && operand > 10) {
                    return Err(corrupt);
                }
                at += 1;
            }
            let slot = match op {
                code::VARINT => Slot::Varint(operand),
                code::FIXED64 => Slot::Fixed64,
                code::FIXED32 => Slot::Fixed32,
                code::BYTES => Slot::Bytes(operand),
                code::TRACE_ID => Slot::TraceId,
                code::SPAN_ID => Slot::SpanId,
                code::PARENT_ID => Slot::ParentId,
                code::START => Slot::Start,
                code::END => Slot::End,
                code::EVENT_TIME => Slot::EventTime,
                code::LINK_TRACE_ID => Slot::LinkTraceId,
                code::LINK_SPAN_ID => Slot::LinkSpanId,
                code::LITERAL => {
                    let len = usize::from(operand);
                    if shape.len() - at < len {
                        return Err(corrupt);
                    }
                    ops.push(Op::Literal {
                        at: at as u32,
                        len: operand,
                    });
                    at += len;
                    min_len += len;
                    continue;
                }
                code::OPEN => {
                    depth += 1;
                    // One more than messages within messages: an attribute's value lies in two.
                    if depth > DEEPEST + 1 {
                        return Err(DecodeError::Corrupt("a template that is nested too deep"));
                    }
                    ops.push(Op::Open(operand));
                    min_len += 1;
                    continue;
                }
                code::CLOSE if depth > 0 => {
                    depth -= 1;
                    ops.push(Op::Close);
                    continue;
                }
                _ => return Err(corrupt),
            };
            min_len += slot.min_len();
            ops.push(Op::Slot(slot));
            slots.push(slot);
        }
        if depth != 0 || slots.len() > 2 * MOST_SLOTS {
            return Err(corrupt);
        }
        Ok(Self {
            shape: shape.into(),
            ops: ops.into(),
            slots: slots.into(),
            min_len,
        })
    }
}
