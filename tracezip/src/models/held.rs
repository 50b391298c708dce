//! What came before: entries, leaves, values of a column.

use super::{GUESSES, Place};
use crate::coder::{Model, equal_lanes, equal_wide};

/// How a span stands to those before it, as symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tie(pub(crate) u16);

impl Tie {
    pub(crate) fn new(group: usize, id: usize, parent: usize) -> Self {
        Self((group | (id << 4) | (parent << 8)) as u16)
    }

    pub(crate) fn group(self) -> usize {
        usize::from(self.0) & 15
    }

    pub(crate) fn id(self) -> usize {
        usize::from(self.0 >> 4) & 15
    }

    pub(crate) fn parent(self) -> usize {
        usize::from(self.0 >> 8) & 15
    }
}

/// Leaves and how their spans stood: the fifteen that came often or lately have a symbol each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) model: Model,
    /// Fifteen leaves, and how many of them there are.
    leaves: [u16; 16],
    ties: [u16; 16],
}

/// Entries seen in a place: the fifteen that came often or lately have a symbol each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recent {
    pub(crate) model: Model,
    /// Fifteen ids, and how many of them there are.
    ids: [u16; 16],
}

/// A column of integers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Integers {
    pub(crate) source: Model,
    pub(crate) values: [u64; 8],
    pub(crate) len: u8,
    /// Where the next new value goes.
    pub(crate) next: u8,
    /// How many values in a row were new, as far as it matters.
    pub(crate) misses: u8,
    pub(crate) last: u64,
    /// Of three modes; the last counts twice.
    pub(crate) costs: [u16; GUESSES],
    pub(crate) numbers: [Place; 3],
}

/// A column of identifiers of up to sixteen bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identifiers {
    pub(crate) source: Model,
    /// The lower halves and the upper halves.
    lows: [u64; 12],
    highs: [u64; 12],
    len: u8,
    next: u8,
}

/// The symbol that none of the recent has.
pub(crate) const NOT_RECENT: usize = 15;

impl Recent {
    pub(super) const NEW: Self = Self {
        model: Model::NEW,
        ids: [0; 16],
    };

    #[inline]
    pub(crate) fn find(&self, id: u16) -> usize {
        // The first of those that there are, or the bit of the symbol for none of them.
        let equal = equal_lanes(&self.ids, id) & ((1 << self.ids[NOT_RECENT]) - 1);
        (equal | (1 << NOT_RECENT)).trailing_zeros() as usize
    }

    /// The entry of a symbol.
    #[inline]
    pub(crate) fn get(&self, symbol: usize) -> Option<u16> {
        (symbol < usize::from(self.ids[NOT_RECENT])).then(|| self.ids[symbol & 15])
    }

    pub(crate) fn insert(&mut self, id: u16) {
        let at = place_for_new(&self.model, &mut self.ids[NOT_RECENT]);
        self.ids[at] = id;
    }
}

impl Steps {
    pub(super) const NEW: Self = Self {
        model: Model::NEW,
        leaves: [0; 16],
        ties: [0; 16],
    };

    #[inline]
    pub(crate) fn find(&self, leaf: u16, tie: Tie) -> usize {
        let equal = equal_lanes(&self.leaves, leaf) & equal_lanes(&self.ties, tie.0);
        let equal = equal & ((1 << self.leaves[NOT_RECENT]) - 1);
        (equal | (1 << NOT_RECENT)).trailing_zeros() as usize
    }

    #[inline]
    pub(crate) fn get(&self, symbol: usize) -> Option<(u16, Tie)> {
        let is_there = symbol < usize::from(self.leaves[NOT_RECENT]);
        is_there.then(|| (self.leaves[symbol & 15], Tie(self.ties[symbol & 15])))
    }

    pub(crate) fn insert(&mut self, leaf: u16, tie: Tie) {
        let at = place_for_new(&self.model, &mut self.leaves[NOT_RECENT]);
        self.leaves[at] = leaf;
        self.ties[at] = tie.0;
    }
}

/// Where what is new goes: a free place, or that of the symbol which is the least likely.
fn place_for_new(model: &Model, len: &mut u16) -> usize {
    let used = usize::from(*len);
    if used < NOT_RECENT {
        *len += 1;
        return used;
    }
    model.least(0, NOT_RECENT)
}

/// Puts a new value behind the others, or, if all places are taken, instead of the oldest.
#[inline]
pub(crate) fn put_next<T, const N: usize>(
    values: &mut [T; N],
    len: &mut u8,
    next: &mut u8,
    value: T,
) {
    let at = usize::from(*next) % N;
    values[at] = value;
    *len = (*len).max(at as u8 + 1);
    *next = if at + 1 == N { 0 } else { at as u8 + 1 };
}

impl Integers {
    pub(super) const NEW: Self = Self {
        source: Model::NEW,
        values: [0; 8],
        len: 0,
        next: 0,
        misses: 0,
        last: 0,
        costs: [0; GUESSES],
        numbers: [0; 3],
    };
}

impl Identifiers {
    pub(super) const NEW: Self = Self {
        source: Model::NEW,
        lows: [0; 12],
        highs: [0; 12],
        len: 0,
        next: 0,
    };

    /// Where a value is.
    #[inline]
    pub(crate) fn find(&self, value: u128) -> Option<usize> {
        let mut found = equal_wide(&self.lows, value as u64) & ((1 << self.len) - 1);
        while found != 0 {
            let at = found.trailing_zeros() as usize;
            if self.highs[at] == (value >> 64) as u64 {
                return Some(at);
            }
            found &= found - 1;
        }
        None
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<u128> {
        let low = *self.lows[..usize::from(self.len)].get(at)?;
        Some(u128::from(low) | (u128::from(self.highs[at]) << 64))
    }

    pub(crate) fn put(&mut self, low: u64, high: u64) {
        let (mut len, mut next) = (self.len, self.next);
        put_next(&mut self.highs, &mut len, &mut next, high);
        put_next(&mut self.lows, &mut self.len, &mut self.next, low);
    }
}
