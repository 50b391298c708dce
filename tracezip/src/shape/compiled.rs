//! A leaf as the bytes that its spans have in common, and the slots between them.

use super::{Op, Slot, Template};
use crate::dict::Plan;
use crate::wire::{self, put_wide_varint};

/// A piece of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
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
    pub(super) steps: Box<[Step]>,
    /// Of all runs: literals in their order, then slots.
    pub(super) parts: Box<[Part]>,
    /// What literals are places in; ends with padding.
    pub(super) bytes: Box<[u8]>,
    /// Messages that are open at once.
    pub(super) depth: usize,
    /// Bytes that every span has at least, and whether none has more.
    least: usize,
    is_fixed: bool,
    /// The longest literal of the first run, which tells most other spans: where it is in a span, its place, its
    /// length.
    probe: [u32; 3],
}

/// A step of reading or writing a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Literals and slots of fixed size: its length, and where its literals begin, then its slots of eight bytes,
    /// then others, and where those end.
    Run {
        first: u16,
        eights: u16,
        others: u16,
        end: u16,
        len: u32,
    },
    Open(u8),
    Close,
    /// A varint, or a length and bytes: width and slot.
    Varint(u8, u16),
    Bytes(u8, u16),
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Where in the run it is.
    pub(super) offset: u32,
    /// Bytes that it takes.
    pub(super) len: u32,
    /// Of a literal, where its bytes are; else the slot.
    pub(super) at: u32,
    kind: PartKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PartKind {
    Literal,
    Eight,
    /// Sixteen bytes or four.
    Other,
}

/// Bytes that short literals are copied by: so many come after all of them.
pub(super) const PADDING: usize = 32;
/// Open messages that most leaves keep to.
pub(super) const SHALLOW: usize = 8;

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
        compiler.bytes.resize(compiler.bytes.len() + PADDING, 0);
        let (steps, parts) = steps(&compiler.pieces);
        Self {
            depth: deepest(&steps),
            least: steps.iter().map(Step::least).sum(),
            is_fixed: matches!(steps[..], [] | [Step::Run { .. }]),
            probe: probe(&steps, &parts),
            steps: steps.into(),
            parts: parts.into(),
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
        let len = end - start;
        if len < self.least || (self.is_fixed && len > self.least) {
            return false;
        }
        let [offset, at, len] = self.probe.map(|number| number as usize);
        if !equal(&input[start + offset..], &self.bytes[at..], len) {
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
        let (mut at, mut depth) = (start, 0);
        for step in &self.steps {
            match *step {
                Step::Run {
                    first,
                    eights,
                    others,
                    end,
                    len,
                } => {
                    let run_end = at + len as usize;
                    if run_end > span.len() {
                        return false;
                    }
                    // To the end of the input, for literals are compared by more bytes than they have.
                    let run = &input[at..];
                    for part in &self.parts[usize::from(first)..usize::from(eights)] {
                        let (offset, from) = (part.offset as usize, part.at as usize);
                        if !equal(&run[offset..], &self.bytes[from..], part.len as usize) {
                            return false;
                        }
                    }
                    for part in &self.parts[usize::from(eights)..usize::from(others)] {
                        values[part.at as usize] = eight(run, part.offset as usize);
                    }
                    for part in &self.parts[usize::from(others)..usize::from(end)] {
                        let offset = part.offset as usize;
                        values[part.at as usize] = if part.len == 16 {
                            (((at + offset) as u64) << 32) | 16
                        } else {
                            four(run, offset)
                        };
                    }
                    at = run_end;
                }
                Step::Open(width) => {
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
                Step::Close => {
                    depth -= 1;
                    if ends[depth] != at {
                        return false;
                    }
                }
                Step::Varint(width, index) => {
                    let Some(value) = wire::varint(span, at) else {
                        return false;
                    };
                    if value.width != width {
                        return false;
                    }
                    at = value.end;
                    values[usize::from(index)] = value.value;
                }
                Step::Bytes(width, index) => {
                    let Some(len) = wire::varint(span, at) else {
                        return false;
                    };
                    if len.width != width || (end - len.end) as u64 <= len.value.wrapping_sub(1) {
                        return false;
                    }
                    at = len.end + len.value as usize;
                    values[usize::from(index)] = ((len.end as u64) << 32) | len.value;
                }
            }
        }
        at == end
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

/// Whether two strings begin with the same `len` bytes: most are too short for a call to pay.
#[inline]
fn equal(one: &[u8], other: &[u8], len: usize) -> bool {
    if len <= 16
        && let (Some(one), Some(other)) = (one.first_chunk(), other.first_chunk())
    {
        let differences = u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other);
        return len == 0 || differences << (128 - 8 * len) == 0;
    }
    let (one, other) = (&one[..len], &other[..len]);
    if len <= 32 {
        return one.first_chunk::<16>() == other.first_chunk()
            && one.last_chunk::<16>() == other.last_chunk()
            && (len >= 16 || one == other);
    }
    one == other
}

/// Puts what has a fixed size together.
fn steps(pieces: &[Piece]) -> (Vec<Step>, Vec<Part>) {
    let (mut steps, mut parts) = (Vec::new(), Vec::new());
    let (mut first, mut len) = (0, 0);
    for piece in pieces {
        let (kind, at, size) = match *piece {
            Piece::Literal { at, len } => (PartKind::Literal, at, len),
            Piece::Slot(Slot::TraceId | Slot::LinkTraceId, index) => {
                (PartKind::Other, index.into(), 16)
            }
            Piece::Slot(Slot::Fixed32, index) => (PartKind::Other, index.into(), 4),
            Piece::Slot(Slot::Varint(width), index) => {
                end_run(&mut steps, &mut parts, &mut first, &mut len);
                steps.push(Step::Varint(width, index));
                continue;
            }
            Piece::Slot(Slot::Bytes(width), index) => {
                end_run(&mut steps, &mut parts, &mut first, &mut len);
                steps.push(Step::Bytes(width, index));
                continue;
            }
            Piece::Slot(_, index) => (PartKind::Eight, index.into(), 8),
            Piece::Open(width) => {
                end_run(&mut steps, &mut parts, &mut first, &mut len);
                steps.push(Step::Open(width));
                continue;
            }
            Piece::Close => {
                end_run(&mut steps, &mut parts, &mut first, &mut len);
                steps.push(Step::Close);
                continue;
            }
        };
        parts.push(Part {
            offset: len,
            len: size,
            at,
            kind,
        });
        len += size;
    }
    end_run(&mut steps, &mut parts, &mut first, &mut len);
    (steps, parts)
}

fn probe(steps: &[Step], parts: &[Part]) -> [u32; 3] {
    let Some(&Step::Run { first, eights, .. }) = steps.first() else {
        return [0; 3];
    };
    let literals = parts[usize::from(first)..usize::from(eights)].iter();
    // Of the first that has the most, and no more than is compared at once.
    let probes = literals.map(|part| [part.offset, part.at, part.len.min(16)]);
    probes.rev().max_by_key(|probe| probe[2]).unwrap_or([0; 3])
}

fn end_run(steps: &mut Vec<Step>, parts: &mut [Part], first: &mut usize, len: &mut u32) {
    let end = parts.len();
    if *first == end {
        return;
    }
    let parts = &mut parts[*first..];
    // Stable: literals are written in their order, each over what the one before wrote too much.
    parts.sort_by_key(|part| part.kind);
    let eights = parts.partition_point(|part| part.kind < PartKind::Eight);
    let others = parts.partition_point(|part| part.kind < PartKind::Other);
    steps.push(Step::Run {
        first: *first as u16,
        eights: (*first + eights) as u16,
        others: (*first + others) as u16,
        end: end as u16,
        len: *len,
    });
    (*first, *len) = (end, 0);
}

impl Step {
    fn least(&self) -> usize {
        match self {
            Self::Run { len, .. } => *len as usize,
            Self::Close => 0,
            _ => 1,
        }
    }
}

/// How many messages are open at once.
fn deepest(steps: &[Step]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for step in steps {
        match step {
            Step::Open(_) => depth += 1,
            Step::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
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
