//! Which leaf a span has, guessed from the one before it and from its name: a span that matches needs no parsing.

use crate::hash::xxh3_with_seed;
use hashbrown::HashMap;

use super::book::{EncoderBook, Seeded};
use crate::dict::LeafHead;
use crate::session::Book;
use crate::shape::peek_name;

/// Leaves that are tried because they came after the one before.
const FOLLOWERS: usize = 3;
/// Leaves that are tried because of the span's name.
const NAMESAKES: usize = 12;
/// Leaves that are remembered by the one before and the span's length.
const LIKELIEST_BITS: u32 = 11;
/// Names that are remembered.
const MOST_NAMES: usize = 1024;

/// Leaves, the latest first; 0 is none.
type Latest<const N: usize> = [u16; N];

#[derive(Debug, Default)]
pub(super) struct Guesser {
    /// What came after each leaf.
    next: Vec<Latest<FOLLOWERS>>,
    /// What came last, by the hash of the leaf before and the span's length.
    likeliest: Vec<u16>,
    /// What the spans of a name were, by its hash.
    names: HashMap<u64, Latest<NAMESAKES>, Seeded>,
    seed: u64,
}

impl Guesser {
    pub(super) fn clear(&mut self, seed: u64) {
        self.next.clear();
        self.likeliest.clear();
        self.likeliest.resize(1 << LIKELIEST_BITS, 0);
        self.names.clear();
        self.seed = seed;
    }

    /// The leaf that the span at `start..end` is of, if it is a likely one; then its own values are in `values`, from
    /// `first` on.
    pub(super) fn find(
        &mut self,
        book: &EncoderBook,
        before: u16,
        place: (&[u8], usize, usize),
        values: &mut Vec<u64>,
        first: usize,
    ) -> Option<u16> {
        let likeliest = likeliest(before, place);
        let guess = self.likeliest[likeliest];
        if is_of(book, guess, place, values, first).unwrap_or(false) {
            return Some(guess);
        }
        let followers = self.next.get(usize::from(before)).copied();
        let followers = followers.unwrap_or_default();
        for (at, &id) in followers.iter().enumerate() {
            if id != guess && is_of(book, id, place, values, first)? {
                put_first(&mut self.next[usize::from(before)], at, id);
                self.likeliest[likeliest] = id;
                return Some(id);
            }
        }
        let name = self.name(place);
        let namesakes = self.names.get_mut(&name)?;
        for (at, &id) in namesakes.iter().enumerate() {
            if !followers.contains(&id) && id != guess && is_of(book, id, place, values, first)? {
                put_first(namesakes, at, id);
                self.likeliest[likeliest] = id;
                self.follow(before, id);
                return Some(id);
            }
        }
        None
    }

    /// Takes note of a leaf that was not found.
    pub(super) fn learn(&mut self, before: u16, id: u16, place: (&[u8], usize, usize)) {
        let name = self.name(place);
        if self.names.len() >= MOST_NAMES {
            self.names.clear();
        }
        self.likeliest[likeliest(before, place)] = id;
        put_first(self.names.entry(name).or_default(), NAMESAKES - 1, id);
        self.follow(before, id);
    }

    fn name(&self, (input, start, end): (&[u8], usize, usize)) -> u64 {
        xxh3_with_seed(peek_name(&input[start..end]), self.seed)
    }

    fn follow(&mut self, before: u16, id: u16) {
        let index = usize::from(before);
        if self.next.len() <= index {
            self.next.resize(index + 1, Latest::default());
        }
        put_first(&mut self.next[index], FOLLOWERS - 1, id);
    }
}

/// Where a leaf is remembered by the one before it and its span's length.
fn likeliest(before: u16, (_, start, end): (&[u8], usize, usize)) -> usize {
    let key = (u32::from(before) << 16) ^ (end - start) as u32;
    (key.wrapping_mul(0x9e37_79b1) >> (u32::BITS - LIKELIEST_BITS)) as usize
}

fn put_first<const N: usize>(latest: &mut Latest<N>, at: usize, id: u16) {
    latest.copy_within(..at, 1);
    latest[0] = id;
}

/// Whether a span is of a leaf; nothing if there is no leaf, nor will be after it.
#[inline]
fn is_of(
    book: &EncoderBook,
    id: u16,
    (input, start, end): (&[u8], usize, usize),
    values: &mut Vec<u64>,
    first: usize,
) -> Option<bool> {
    if id == 0 {
        return Some(false);
    }
    let leaf = book.dict().leaf(id).ok()?;
    // A match writes all that the leaf has.
    let last = first + usize::from(leaf.head.own);
    if values.len() < last {
        values.resize(last, 0);
    }
    let values = &mut values[first..last];
    Some(leaf.compiled.matches(input, start, end, values) && fits(&leaf.head, values))
}

/// Whether the times are multiples of the leaf's units.
fn fits(leaf: &LeafHead, values: &[u64]) -> bool {
    let is_multiple = |slot: Option<u16>, unit: u32| {
        let Some(slot) = slot.map(usize::from) else {
            return true;
        };
        // Constants, so that nothing is divided by a variable.
        match unit {
            1 => true,
            100 => values[slot].is_multiple_of(100),
            1_000 => values[slot].is_multiple_of(1_000),
            _ => values[slot].is_multiple_of(1_000_000),
        }
    };
    is_multiple(leaf.start, leaf.start_unit) && is_multiple(leaf.end, leaf.end_unit)
}
