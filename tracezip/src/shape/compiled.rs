//! A leaf as the bytes that its spans have in common, and the slots between them.

use core::cell::Cell;
use core::ops::Range;
use std::sync::OnceLock;

use super::Template;
use super::fixed;
use super::pieces::{Dissector, Piece};
use super::program::{Program, turned};
use crate::dict::Plan;

/// What spans of a leaf are read and written by.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(super) forwards: Box<[Step]>,
    /// The same, for who writes: made when it is needed, for encoders do without.
    backwards: OnceLock<Box<[Step]>>,
    pub(super) runs: Box<[Run]>,
    /// What the runs consist of, and a mask for the bytes of it that every span has.
    pub(super) bytes: Box<[u8]>,
    pub(super) mask: Box<[u8]>,
    pub(super) parts: Box<[Part]>,
    /// Messages that are open at once.
    pub(super) depth: usize,
    /// Bytes that every span has at least, and whether none has more.
    pub(super) least: usize,
    pub(super) is_fixed: bool,
}

/// A step of reading or writing a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A run of literals and slots of fixed size.
    Run(u16),
    /// A run, a varint or a length and bytes after it, and the end of messages which the run begins: if all lengths take
    /// a byte; if not, the next `steps` say the same.
    Chain {
        run: u16,
        slot: u16,
        item: ChainItem,
        steps: u8,
    },
    Open(u8),
    Close,
    /// A varint, or a length and bytes: width and slot.
    Varint(u8, u16),
    Bytes(u8, u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainItem {
    Varint,
    Bytes,
}

/// Literals and slots of fixed size, and lengths: its own length, and where in the parts
/// its slots of eight bytes begin, then others, then lengths, and where those end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) len: u32,
    /// Where in the leaf's bytes its own begin.
    pub(super) start: u32,
    pub(super) eights: u16,
    pub(super) others: u16,
    pub(super) lengths: u16,
    pub(super) end: u16,
    /// Where the length of the longest message is, if the run has some, and what it is more than that of the item.
    pub(super) outer: Option<u16>,
    pub(super) most: u8,
}

/// A part of a run that is no literal.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Where in the run it is.
    pub(super) offset: u32,
    /// Of a length, what is added to that of the item; else the slot.
    pub(super) at: u16,
    /// Bytes that it takes.
    pub(super) len: u8,
}

thread_local! {
    /// What leaves are made with: kept for the next only to save allocations.
    static TOOLS: Cell<(Dissector, Program)> = Cell::default();
}
/// Pieces and bytes of the leaves that it is kept after.
const MOST_PIECES: usize = 1024;
const MOST_BYTES: usize = 16 * 1024;
/// Open messages that most leaves keep to.
pub(super) const SHALLOW: usize = 8;

impl Compiled {
    /// Slots that are each span's own are counted from zero.
    pub(crate) fn new(template: &Template, plans: &[Plan], values: &[u8]) -> Self {
        let mut tools = TOOLS.try_with(Cell::take).unwrap_or_default();
        let (dissector, program) = &mut tools;
        let (pieces, bytes) = dissector.pieces(template, plans, values);
        program.make(pieces, bytes);
        let compiled = Self {
            depth: deepest(pieces),
            least: pieces.iter().map(Piece::least).sum(),
            is_fixed: pieces.iter().all(|piece| piece.fixed_len().is_some()),
            forwards: program.forwards[..].into(),
            backwards: OnceLock::new(),
            runs: program.runs[..].into(),
            bytes: program.bytes[..].into(),
            mask: program.mask[..].into(),
            parts: program.parts[..].into(),
        };
        if pieces.len() <= MOST_PIECES && bytes.len() <= MOST_BYTES {
            // If there is no place for them any more, they are not missed.
            let _ = TOOLS.try_with(|kept| kept.set(tools));
        }
        compiled
    }
}

impl Compiled {
    #[inline]
    pub(super) fn backwards(&self) -> &[Step] {
        self.backwards.get_or_init(|| turned(&self.forwards))
    }
}

impl Run {
    #[inline]
    pub(super) fn fixed(&self) -> Range<usize> {
        let start = self.start as usize;
        start..start + (self.len as usize).next_multiple_of(fixed::BLOCK)
    }
}

/// How many messages are open at once.
fn deepest(pieces: &[Piece]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for piece in pieces {
        match piece {
            Piece::Open(_) => depth += 1,
            Piece::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Backwards, Parsed};
    use crate::wire;

    fn field(tag: u8, contents: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        wire::put_varint(contents.len() as u64, &mut out);
        out.extend_from_slice(contents);
        out
    }

    /// A span with an id, an attribute, and the same attribute in an event.
    fn span(value: &[u8]) -> Vec<u8> {
        let attribute = [field(0x0a, b"a key"), field(0x12, value)].concat();
        let event = [field(0x12, b"event"), field(0x1a, &attribute)].concat();
        let fields = [
            field(0x0a, &[7; 16]),
            field(0x4a, &attribute),
            field(0x5a, &event),
        ];
        fields.concat()
    }

    /// Whether a leaf whose slots are all its spans' own matches the span and writes it again.
    fn comes_back(leaf: &Compiled, own: usize, span: &[u8], before: &[u8]) -> bool {
        let input = [before, span].concat();
        let mut values = vec![0; own];
        let mut out = Backwards::default();
        out.reset(input.len());
        leaf.matches(&input, before.len(), input.len(), &mut values)
            .is_ok()
            && out.span(leaf, &values, &input).is_ok()
            && out.get(out.written(), 0) == span
    }

    #[test]
    fn leaf_of_spans_with_values_of_any_length_writes_what_it_matched() {
        let texts = (0..300).map(|len| field(0x0a, &vec![b'x'; len]));
        let numbers = (0..64).map(|bit| {
            let mut value = vec![0x18];
            wire::put_varint(1 << bit, &mut value);
            value
        });
        let texts: Vec<_> = texts.collect();
        let numbers: Vec<_> = numbers.collect();
        for values in [texts, numbers] {
            let mut parsed = Parsed::default();
            let first = span(&values[0]);
            assert!(parsed.span(&first, 0, first.len()));
            let template = Template::read(&parsed.shape).unwrap();
            let own = template.slots.len();
            let leaf = Compiled::new(&template, &vec![Plan::Local; own], &[]);
            for value in &values {
                let span = span(value);
                assert!(comes_back(&leaf, own, &span, b"before"), "{}", value.len());
                for at in 0..span.len() {
                    // What it takes for one of its own, it writes as it was.
                    let mut other = span.clone();
                    other[at] ^= 1;
                    let input = other.clone();
                    let mut own_values = vec![0; own];
                    let matches = leaf
                        .matches(&input, 0, input.len(), &mut own_values)
                        .is_ok();
                    assert!(!matches || comes_back(&leaf, own, &other, b""), "{at}");
                }
            }
        }
    }
}
