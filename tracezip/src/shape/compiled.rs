//! A leaf as the bytes that its spans have in common, and the slots between them.

use core::cell::Cell;
use core::ops::Range;

use super::Template;
use super::literal::Literal;
use super::pieces::{Dissector, Piece};
use super::program::Program;
use crate::dict::Plan;
use crate::wire;

/// What spans of a leaf are read and written by.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Forwards, for who reads, and backwards, for who writes.
    pub(super) forwards: Box<[Step]>,
    pub(super) backwards: Box<[Step]>,
    pub(super) runs: Box<[Run]>,
    pub(super) literals: Box<[Literal]>,
    pub(super) parts: Box<[Part]>,
    /// Messages that are open at once.
    pub(super) depth: usize,
    /// Bytes that every span has at least, and whether none has more.
    least: usize,
    is_fixed: bool,
    /// The longest literal of the first run, which tells most other spans.
    probe: Literal,
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

/// Literals and slots of fixed size, and lengths: its own length, where its literals begin and end, and where in the
/// parts its slots of eight bytes begin, then others, then lengths, and where those end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) len: u32,
    pub(super) literals: [u16; 2],
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
            probe: probe(&program.forwards, &program.runs, &program.literals),
            forwards: program.forwards[..].into(),
            backwards: program.backwards[..].into(),
            runs: program.runs[..].into(),
            literals: program.literals[..].into(),
            parts: program.parts[..].into(),
        };
        if pieces.len() <= MOST_PIECES && bytes.len() <= MOST_BYTES {
            // If there is no place for them any more, they are not missed.
            let _ = TOOLS.try_with(|kept| kept.set(tools));
        }
        compiled
    }

    /// Whether the span at `start..end` of `input` is of this leaf; if so, its own values are in `values`.
    #[inline]
    pub(crate) fn matches(
        &self,
        input: &[u8],
        start: usize,
        end: usize,
        values: &mut [u64],
    ) -> bool {
        let len = end - start;
        if len < self.least || (self.is_fixed && len > self.least) {
            return false;
        }
        if self.probe.differs(&input[start..]) {
            return false;
        }
        if self.depth < SHALLOW {
            self.matches_within::<SHALLOW>(input, start, end, values)
        } else {
            self.matches_within::<{ super::DEEPEST + 2 }>(input, start, end, values)
        }
    }

    fn matches_within<const DEPTH: usize>(
        &self,
        input: &[u8],
        start: usize,
        end: usize,
        values: &mut [u64],
    ) -> bool {
        let span = &input[..end];
        let mut ends = [0; DEPTH];
        let (mut at, mut depth, mut next) = (start, 0, 0);
        while let Some(step) = self.forwards.get(next) {
            next += 1;
            let (width, slot) = match *step {
                Step::Chain {
                    run,
                    slot,
                    item,
                    steps,
                } => {
                    let run = &self.runs[usize::from(run)];
                    // With a longer length, what follows is not where it is looked for below.
                    if let Some(outer) = run.outer
                        && let Some(0x80..) = span.get(at + usize::from(outer))
                    {
                        continue;
                    }
                    let run_end = at + run.len as usize;
                    let Some(number) = wire::varint(span, run_end) else {
                        return false;
                    };
                    let mut item_end = number.end;
                    let mut value = number.value;
                    if item == ChainItem::Bytes {
                        if value >= 0x80 {
                            continue;
                        }
                        item_end += value as usize;
                        value |= (number.end as u64) << 32;
                        if item_end > end {
                            return false;
                        }
                    }
                    let item_len = item_end - run_end;
                    if number.width != 0 || !self.is_run(run, input, at, item_len, values) {
                        return false;
                    }
                    values[usize::from(slot)] = value;
                    at = item_end;
                    next += usize::from(steps);
                    continue;
                }
                Step::Run(run) => {
                    let run = &self.runs[usize::from(run)];
                    let run_end = at + run.len as usize;
                    if run_end > end || !self.is_run(run, input, at, 0, values) {
                        return false;
                    }
                    at = run_end;
                    continue;
                }
                Step::Close => {
                    depth -= 1;
                    if ends[depth] != at {
                        return false;
                    }
                    continue;
                }
                Step::Open(width) => (width, None),
                Step::Varint(width, slot) => (width, Some(slot)),
                Step::Bytes(width, slot) => (width, Some(slot)),
            };
            let Some(number) = wire::varint(span, at) else {
                return false;
            };
            if number.width != width {
                return false;
            }
            at = number.end;
            if let (Step::Varint(..), Some(slot)) = (step, slot) {
                values[usize::from(slot)] = number.value;
                continue;
            }
            if number.value > (end - at) as u64 {
                return false;
            }
            let inner_end = at + number.value as usize;
            if let Some(slot) = slot {
                values[usize::from(slot)] = ((at as u64) << 32) | number.value;
                at = inner_end;
            } else {
                ends[depth] = inner_end;
                depth += 1;
            }
        }
        at == end
    }

    /// Whether the run is at `at` of the input, before an item of this length; if so, its values are taken out.
    #[inline]
    fn is_run(
        &self,
        run: &Run,
        input: &[u8],
        at: usize,
        item_len: usize,
        values: &mut [u64],
    ) -> bool {
        // To the end of the input, for literals are compared by more bytes than they have.
        let bytes = &input[at..];
        let parts = &self.parts;
        let mut differ = false;
        for literal in &self.literals[run.literals()] {
            differ |= literal.differs(bytes);
        }
        for part in &parts[usize::from(run.lengths)..usize::from(run.end)] {
            differ |= usize::from(bytes[part.offset as usize]) != item_len + usize::from(part.at);
        }
        if differ {
            return false;
        }
        for part in &parts[usize::from(run.eights)..usize::from(run.others)] {
            values[usize::from(part.at)] = eight(bytes, part.offset as usize);
        }
        for part in &parts[usize::from(run.others)..usize::from(run.lengths)] {
            let offset = part.offset as usize;
            values[usize::from(part.at)] = if part.len == 16 {
                (((at + offset) as u64) << 32) | 16
            } else {
                four(bytes, offset)
            };
        }
        true
    }
}

impl Run {
    #[inline]
    pub(super) fn literals(&self) -> Range<usize> {
        usize::from(self.literals[0])..usize::from(self.literals[1])
    }
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..].first_chunk();
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn four(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..].first_chunk();
    bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
}

fn probe(steps: &[Step], runs: &[Run], literals: &[Literal]) -> Literal {
    let Some(&(Step::Run(run) | Step::Chain { run, .. })) = steps.first() else {
        return Literal::new(&[], &[], 0);
    };
    let run = &runs[usize::from(run)];
    // What comes after a length is elsewhere if that takes more than a byte.
    let end = run.outer.map_or(run.len, u32::from);
    let literals = literals[run.literals()].iter();
    let literals = literals.map(|literal| literal.before(end));
    // The first of those that tell the most.
    let best = literals.rev().max_by_key(Literal::weight);
    best.unwrap_or(Literal::new(&[], &[], 0))
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
                    let matches = leaf.matches(&input, 0, input.len(), &mut own_values);
                    assert!(!matches || comes_back(&leaf, own, &other, b""), "{at}");
                }
            }
        }
    }
}
