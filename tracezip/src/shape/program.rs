//! From the pieces of a leaf to the steps that its spans are read and written by.

use super::Slot;
use super::compiled::{ChainItem, Part, Run, Step};
use super::fixed::{BLOCK, FIXED, HOLE};
use super::pieces::Piece;

/// Parts after which there are no more chains: their places are 16 bits.
const MOST_PARTS: usize = 16 * 1024;
/// Messages that end together with an item at most.
const MOST_LENGTHS: usize = 8;

/// The steps of a leaf, and what they are about; kept from one leaf to the next only to save allocations.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) forwards: Vec<Step>,
    pub(super) runs: Vec<Run>,
    pub(super) bytes: Vec<u8>,
    pub(super) mask: Vec<u8>,
    pub(super) parts: Vec<Part>,
    /// The steps that most spans are read by, and how many pieces each is of.
    usual: Vec<(Step, usize)>,
    /// The run that is being made, and which of its bytes every span has.
    run: Vec<u8>,
    is_fixed: Vec<u8>,
}

impl Program {
    /// Makes the steps of a leaf with these pieces, whose literals are places in `bytes`.
    pub(super) fn make(&mut self, pieces: &[Piece], bytes: &[u8]) {
        self.forwards.clear();
        self.runs.clear();
        self.bytes.clear();
        self.mask.clear();
        self.parts.clear();
        // Runs that most spans are read by come before those that stand for chains, so that they lie together.
        let mut at = 0;
        while at < pieces.len() {
            at = match chain(&pieces[at..]) {
                Some(len) if self.parts.len() < MOST_PARTS => {
                    let step = self.chain(&pieces[at..at + len], bytes);
                    self.usual.push((step, len));
                    at + len
                }
                _ => {
                    let fixed = run_len(&pieces[at..]).max(1);
                    let step = self.step(&pieces[at..at + fixed], bytes);
                    self.usual.push((step, fixed));
                    at + fixed
                }
            };
        }
        at = 0;
        let mut steps = core::mem::take(&mut self.usual);
        for (step, len) in steps.drain(..) {
            let first = self.forwards.len();
            self.forwards.push(step);
            if let Step::Chain { .. } = step {
                self.generic(&pieces[at..at + len], bytes);
            }
            let generic = self.forwards.len() - first - 1;
            if let Step::Chain { steps, .. } = &mut self.forwards[first] {
                *steps = generic as u8;
            }
            at += len;
        }
        self.usual = steps;
    }
}

/// Pieces of fixed size that `pieces` begins with.
fn run_len(pieces: &[Piece]) -> usize {
    let other = |piece: &Piece| *piece == Piece::Close || piece.fixed_len().is_none();
    pieces.iter().position(other).unwrap_or(pieces.len())
}

/// How many pieces make a chain: runs and openings, an item, and the end of all that was opened.
fn chain(pieces: &[Piece]) -> Option<usize> {
    let (mut at, mut open, mut before, mut extra) = (0, 0, 0, 0);
    loop {
        match pieces.get(at)? {
            Piece::Slot(Slot::Varint(0) | Slot::Bytes(0), _) => break,
            Piece::Open(0) => {
                open += 1;
                extra += 1;
            }
            Piece::Close => return None,
            piece => {
                let len = piece.fixed_len()?;
                if open > 0 {
                    extra += len;
                } else {
                    before += len;
                }
            }
        }
        at += 1;
    }
    let closed = pieces[at + 1..].iter();
    let closed = closed.take_while(|piece| **piece == Piece::Close).count();
    let fits = open <= closed && open <= MOST_LENGTHS && at < 0x40;
    // Lengths of a byte, at places of 16 bits.
    let fits = fits && extra < 0x70 && before < usize::from(u16::MAX);
    fits.then_some(at + 1 + open)
}

impl Program {
    fn chain(&mut self, pieces: &[Piece], bytes: &[u8]) -> Step {
        let first = self.parts.len();
        let (mut slot, mut item) = (0, ChainItem::Varint);
        let (mut lengths, mut open) = ([Part::default(); MOST_LENGTHS], 0);
        for piece in pieces {
            match *piece {
                Piece::Open(_) => {
                    lengths[open].offset = self.run.len() as u32;
                    open += 1;
                    self.hole(1);
                }
                Piece::Close => {}
                Piece::Slot(Slot::Varint(_), own) => slot = own,
                Piece::Slot(Slot::Bytes(_), own) => (slot, item) = (own, ChainItem::Bytes),
                _ => self.part(piece, bytes),
            }
        }
        let lengths = &mut lengths[..open];
        for length in lengths.iter_mut() {
            length.at = (self.run.len() - length.offset as usize - 1) as u16;
            length.len = 1;
        }
        let run = self.end_run(first, lengths);
        Step::Chain {
            run,
            slot,
            item,
            steps: 0,
        }
    }

    /// Steps one by one.
    fn generic(&mut self, pieces: &[Piece], bytes: &[u8]) {
        let mut at = 0;
        while at < pieces.len() {
            let len = run_len(&pieces[at..]).max(1);
            let step = self.step(&pieces[at..at + len], bytes);
            self.forwards.push(step);
            at += len;
        }
    }

    /// The step of pieces that are of fixed size, or of one that is not.
    fn step(&mut self, pieces: &[Piece], bytes: &[u8]) -> Step {
        match pieces[0] {
            Piece::Open(width) => Step::Open(width),
            Piece::Slot(Slot::Varint(width), own) => Step::Varint(width, own),
            Piece::Slot(Slot::Bytes(width), own) => Step::Bytes(width, own),
            Piece::Close => Step::Close,
            _ => {
                let first = self.parts.len();
                for piece in pieces {
                    self.part(piece, bytes);
                }
                Step::Run(self.end_run(first, &[]))
            }
        }
    }

    /// A literal, or a slot of fixed size.
    fn part(&mut self, piece: &Piece, bytes: &[u8]) {
        match *piece {
            Piece::Literal { at, len } => {
                let bytes = &bytes[at as usize..(at + len) as usize];
                self.run.extend_from_slice(bytes);
                self.is_fixed.resize(self.run.len(), FIXED);
            }
            Piece::Slot(slot, own) => {
                let len = slot.min_len();
                self.parts.push(Part {
                    offset: self.run.len() as u32,
                    at: own,
                    len: len as u8,
                });
                self.hole(len);
            }
            Piece::Open(_) | Piece::Close => {}
        }
    }

    /// Bytes that are each span's own.
    fn hole(&mut self, len: usize) {
        self.run.resize(self.run.len() + len, 0);
        self.is_fixed.resize(self.run.len(), HOLE);
    }

    /// Makes a run of its bytes, the parts from `first` on, and lengths.
    fn end_run(&mut self, first: usize, lengths: &[Part]) -> u16 {
        let start = self.bytes.len();
        let len = self.run.len();
        self.bytes.append(&mut self.run);
        self.mask.append(&mut self.is_fixed);
        let end = start + len.next_multiple_of(BLOCK);
        self.bytes.resize(end, 0);
        self.mask.resize(end, HOLE);
        let parts = &mut self.parts[first..];
        parts.sort_by_key(|part| part.len != 8);
        let others = first + parts.partition_point(|part| part.len == 8);
        let places = [
            first,
            others,
            self.parts.len(),
            self.parts.len() + lengths.len(),
        ];
        self.parts.extend_from_slice(lengths);
        let [eights, others, lengths_at, end] = places.map(|place| place as u16);
        self.runs.push(Run {
            len: len as u32,
            start: start as u32,
            eights,
            others,
            lengths: lengths_at,
            end,
            outer: lengths.first().map(|part| part.offset as u16),
            most: lengths.first().map_or(0, |part| part.at as u8),
        });
        (self.runs.len() - 1) as u16
    }
}

/// The same steps from the last to the first; chains before what they stand for.
#[cold]
pub(super) fn turned(forwards: &[Step]) -> Box<[Step]> {
    let mut backwards = Vec::with_capacity(forwards.len());
    let mut at = 0;
    while let Some(&step) = forwards.get(at) {
        let (chain, steps) = match step {
            Step::Chain { steps, .. } => (Some(step), usize::from(steps)),
            _ => (None, 1),
        };
        at += usize::from(chain.is_some());
        backwards.extend_from_slice(&forwards[at..at + steps]);
        backwards.extend(chain);
        at += steps;
    }
    backwards.reverse();
    backwards.into()
}
