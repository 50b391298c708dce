//! Which leaf a span has, guessed from the one before it: a span that matches needs no parsing.

use super::book::EncoderBook;
use crate::dict::Leaf;
use crate::session::Book;

/// Leaves that are tried.
const GUESSES: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Guesser {
    /// What came after each leaf, the latest first.
    next: Vec<[u16; GUESSES]>,
}

impl Guesser {
    pub(super) fn clear(&mut self) {
        self.next.clear();
    }

    /// The leaf that the span at `start..end` is of, if it is one that came after `before`.
    pub(super) fn find(
        &mut self,
        book: &EncoderBook,
        before: u16,
        place: (&[u8], usize, usize),
        values: &mut Vec<u64>,
    ) -> Option<u16> {
        let guesses = self.next.get(usize::from(before))?;
        let (input, start, end) = place;
        for (at, &id) in guesses.iter().enumerate() {
            if id == 0 {
                return None;
            }
            let leaf = book.dict().leaf(id).ok()?;
            values.clear();
            values.resize(leaf.template.slots.len(), 0);
            if leaf.compiled.matches(input, start, end, values) && fits(leaf, values) {
                self.put_first(before, at, id);
                return Some(id);
            }
        }
        None
    }

    /// Takes note of a leaf that was not found.
    pub(super) fn learn(&mut self, before: u16, id: u16) {
        let index = usize::from(before);
        if self.next.len() <= index {
            self.next.resize(index + 1, [0; GUESSES]);
        }
        self.put_first(before, GUESSES - 1, id);
    }

    fn put_first(&mut self, before: u16, at: usize, id: u16) {
        let guesses = &mut self.next[usize::from(before)];
        guesses.copy_within(..at, 1);
        guesses[0] = id;
    }
}

/// Whether the times are multiples of the leaf's units.
fn fits(leaf: &Leaf, values: &[u64]) -> bool {
    let is_multiple = |slot: Option<usize>, unit: u64| {
        unit == 1 || slot.is_none_or(|slot| values[slot].is_multiple_of(unit))
    };
    is_multiple(leaf.start, leaf.start_unit) && is_multiple(leaf.end, leaf.end_unit)
}
