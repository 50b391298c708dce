//! Which leaf a span has, guessed from the one before it and from its name: a span that matches needs no parsing.

use crate::hash::xxh3_with_seed;
use hashbrown::HashMap;

use super::book::{EncoderBook, Seeded};
use crate::dict::LeafHead;
use crate::session::{Book, NO_LEAF};
use crate::shape::{Miss, peek_name};

/// Leaves that are tried one after the other because of how the span differs from the one before.
const MOST_TRIED: usize = 6;
const LINKS_BITS: u32 = 12;
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
    next: Vec<u16>,
    /// By the hash of a leaf and of how a span differed from it, what such spans were.
    links: Vec<u16>,
    /// Which of these belongs to the span that was looked for last.
    link: Option<usize>,
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
        self.links.clear();
        self.links.resize(1 << LINKS_BITS, 0);
        self.names.clear();
        self.seed = seed;
    }

    /// The leaf that the span at `start..end` is of, if it is a likely one; then its own values are in `values`, from
    /// `first` on.
    #[inline]
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
        let miss = match is_of(book, guess, place, values, first) {
            Ok(()) => return Some(guess),
            Err(miss) => miss,
        };
        self.search(book, (before, likeliest, miss), place, values, first)
    }

    /// Where the likeliest leaf is not the span's, those that spans were which differed from it as this one does; then those
    /// of its name.
    #[inline(never)]
    fn search(
        &mut self,
        book: &EncoderBook,
        (before, likeliest, mut miss): (u16, usize, Option<Miss>),
        place: (&[u8], usize, usize),
        values: &mut Vec<u64>,
        first: usize,
    ) -> Option<u16> {
        let mut tried = [NO_LEAF; MOST_TRIED];
        tried[0] = self.likeliest[likeliest];
        // What is not found leads elsewhere as soon as it is learnt.
        self.link = None;
        for at in 1..MOST_TRIED {
            let guess = match miss {
                Some(miss) => {
                    let link = link(tried[at - 1], miss);
                    self.link = Some(link);
                    self.links[link]
                }
                // There is no likeliest.
                None => self.next.get(usize::from(before)).copied().unwrap_or(0),
            };
            if guess == NO_LEAF || tried.contains(&guess) {
                break;
            }
            tried[at] = guess;
            match is_of(book, guess, place, values, first) {
                Ok(()) => {
                    self.likeliest[likeliest] = guess;
                    self.follow(before, guess);
                    return Some(guess);
                }
                Err(further) => miss = Some(further?),
            }
        }
        let name = self.name(place);
        let namesakes = self.names.get_mut(&name)?;
        for (at, &id) in namesakes.iter().enumerate() {
            if tried.contains(&id) {
                continue;
            }
            match is_of(book, id, place, values, first) {
                Ok(()) => {
                    put_first(namesakes, at, id);
                    self.found(likeliest, before, id);
                    return Some(id);
                }
                Err(miss) => {
                    miss?;
                }
            }
        }
        None
    }

    fn found(&mut self, likeliest: usize, before: u16, id: u16) {
        self.likeliest[likeliest] = id;
        if let Some(link) = self.link {
            self.links[link] = id;
        }
        self.follow(before, id);
    }

    /// Takes note of a leaf that was not found.
    pub(super) fn learn(&mut self, before: u16, id: u16, place: (&[u8], usize, usize)) {
        let name = self.name(place);
        if self.names.len() >= MOST_NAMES {
            self.names.clear();
        }
        put_first(self.names.entry(name).or_default(), NAMESAKES - 1, id);
        self.found(likeliest(before, place), before, id);
    }

    fn name(&self, (input, start, end): (&[u8], usize, usize)) -> u64 {
        xxh3_with_seed(peek_name(&input[start..end]), self.seed)
    }

    fn follow(&mut self, before: u16, id: u16) {
        let index = usize::from(before);
        if self.next.len() <= index {
            self.next.resize(index + 1, 0);
        }
        self.next[index] = id;
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

/// Where a leaf is remembered by one that a span is not of.
fn link(leaf: u16, miss: Miss) -> usize {
    let key = (u64::from(leaf) << 32) ^ miss.0;
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - LINKS_BITS)) as usize
}

/// Whether a span is of a leaf; if not, how it differs, or nothing if there is no such leaf.
#[inline(always)]
fn is_of(
    book: &EncoderBook,
    id: u16,
    (input, start, end): (&[u8], usize, usize),
    values: &mut Vec<u64>,
    first: usize,
) -> Result<(), Option<Miss>> {
    let leaf = book.dict().leaf(id).map_err(|_| None)?;
    // A match writes all that the leaf has.
    let last = first + usize::from(leaf.head.own);
    if values.len() < last {
        values.resize(last, 0);
    }
    let values = &mut values[first..last];
    leaf.compiled.matches(input, start, end, values)?;
    if fits(&leaf.head, values) {
        return Ok(());
    }
    Err(Some(Miss(0)))
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
