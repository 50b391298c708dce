//! What a stream has learnt: models of numbers, of entries, of columns, by what they stand for.
//!
//! Everything here is plain data in a few arrays, so that a copy of it, which is what the two sides agree on,
//! is a few copies of memory. Places are allocated as they are needed, in the order of their use, until the
//! budget is spent; from then on what is new shares the first place of its kind.

use core::hint::select_unpredictable;

use crate::coder::{Coder, Model, equal_lanes, equal_wide, follow};
use crate::dict::KINDS;
use crate::error::Outcome;

/// Memory that a stream's models take at most.
pub(crate) const BUDGET: usize = 160 * 1024;
// Places are 16 bits: nothing that is placed is charged as little as would take more.
const _: () = assert!(BUDGET / ParameterModels::CHARGE <= Place::MAX as usize);

/// A place in one of the arrays; 0 if there is none yet. The budget is spent before 16 bits are.
pub(crate) type Place = u16;

/// Numbers by magnitude: a token of two symbols says the value below 16, or its length in bits and the two
/// bits after the first; the others follow as they are.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Number {
    high: Model,
    low: [Place; 16],
}

/// Differences by sign and magnitude, to the best of several guesses: all but the models of the lower halves is
/// one line of a cache.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Difference {
    high: Model,
    low: [Place; CLASSES],
    /// What each of the guesses costs lately.
    costs: [u16; GUESSES],
    _rest: [u16; 4],
}

/// Magnitudes that lower halves are told apart by.
const CLASSES: usize = 8;
/// Guesses of a number at most.
pub(crate) const GUESSES: usize = 4;

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
    pub(crate) values: [u64; 9],
    pub(crate) len: u8,
    /// Where the next new value goes.
    pub(crate) next: u8,
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
    const NEW: Self = Self {
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
        let mut len = self.ids[NOT_RECENT] as u8;
        let at = slot_for_new(&self.model, &mut len, NOT_RECENT, 0);
        self.ids[at] = id;
        self.ids[NOT_RECENT] = len.into();
    }
}

impl Steps {
    const NEW: Self = Self {
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
        let mut len = self.leaves[NOT_RECENT] as u8;
        let at = slot_for_new(&self.model, &mut len, NOT_RECENT, 0);
        self.leaves[at] = leaf;
        self.ties[at] = tie.0;
        self.leaves[NOT_RECENT] = len.into();
    }
}

/// Where a new value goes: a free slot, or that of the symbol which is the least likely.
pub(crate) fn slot_for_new(model: &Model, len: &mut u8, capacity: usize, first: usize) -> usize {
    let used = usize::from(*len);
    if used < capacity {
        *len += 1;
        return used;
    }
    model.least(first, capacity) - first
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

/// How a span stands to those before it, which decides what its times are guessed from.
pub(crate) const SITUATIONS: usize = 5;

/// What is learnt about the spans of one leaf.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeafModels {
    /// What follows in the same trace: leaves with how their spans stand; leaves, if that is new.
    pub(crate) next: Place,
    pub(crate) next_leaf: Place,
    /// Which trace the next span belongs to.
    pub(crate) trace: Place,
    pub(crate) id: Place,
    pub(crate) parent: [Place; 2],
    pub(crate) group: Place,
    pub(crate) shell: u16,
    pub(crate) starts: [Place; SITUATIONS],
    pub(crate) ends: [Place; SITUATIONS],
}

/// What is learnt about a slot of a template: as much of it as its kind needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SlotModels {
    pub(crate) recent: Place,
    pub(crate) integers: Place,
    pub(crate) time: Place,
}

/// What is learnt about a parameter of a pattern.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ParameterModels {
    pub(crate) integers: Place,
    pub(crate) identifiers: Place,
}

/// Keys that ids of a message may be made with.
pub(crate) const KEYS: usize = 3;

/// Blocks of a counter that ids came from, the latest first, each with what came last in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Blocks {
    pub(crate) latest: [(u64, u64); 32],
    pub(crate) len: u8,
    pub(crate) newest: u64,
}

/// Models that do not depend on a leaf.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Common {
    pub(crate) counts: Place,
    pub(crate) lens: Place,
    pub(crate) far: Place,
    pub(crate) ids: [Place; KINDS],
    pub(crate) shells: [Place; 4],
    pub(crate) flags: Place,
    pub(crate) known: Place,
    pub(crate) first: Place,
    pub(crate) first_leaf: Place,
    pub(crate) double: Place,
    pub(crate) key: Place,
    pub(crate) sources: [Place; 3],
    pub(crate) nonce: Place,
    /// Of spans' own ids, of parents', of traces'.
    pub(crate) block: [Place; 3],
    pub(crate) new_block: [Place; 3],
    /// Likewise, and of blocks that were the likeliest.
    pub(crate) in_block: [Place; 6],
}

#[derive(Debug, Clone)]
pub(crate) struct Models {
    pub(crate) symbols: Vec<Model>,
    numbers: Vec<Number>,
    differences: Vec<Difference>,
    pub(crate) steps: Vec<Steps>,
    pub(crate) recents: Vec<Recent>,
    pub(crate) integers: Vec<Integers>,
    pub(crate) identifiers: Vec<Identifiers>,
    /// By the leaf's id; of those beyond the end, the first.
    pub(crate) leaves: Vec<LeafModels>,
    pub(crate) slots: Vec<SlotModels>,
    /// By the template's id: where its slots begin, and how many there are.
    templates: Vec<Listed>,
    /// By the text's id: where its parameters begin, and how many there are.
    texts: Vec<Listed>,
    pub(crate) parameters: Vec<ParameterModels>,
    pub(crate) common: Common,
    /// By key, of span ids and of trace ids.
    pub(crate) blocks: [[Blocks; 2]; KEYS],
    pub(crate) nonces: [[u64; 16]; KEYS],
    left: usize,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            symbols: vec![Model::NEW],
            numbers: vec![Number::NEW],
            differences: vec![Difference::NEW],
            steps: vec![Steps::NEW],
            recents: vec![Recent::NEW],
            integers: vec![Integers::NEW],
            identifiers: vec![Identifiers::NEW],
            leaves: vec![LeafModels::default()],
            slots: vec![SlotModels::default()],
            templates: Vec::new(),
            texts: Vec::new(),
            parameters: vec![ParameterModels::default()],
            common: Common::default(),
            blocks: [[Blocks::default(); 2]; KEYS],
            nonces: [[0; 16]; KEYS],
            left: BUDGET,
        }
    }
}

impl Number {
    const NEW: Self = Self {
        high: Model::NEW,
        low: [0; 16],
    };
}

impl Difference {
    const NEW: Self = Self {
        high: Model::NEW,
        low: [0; CLASSES],
        costs: [0; GUESSES],
        _rest: [0; 4],
    };
}

impl Integers {
    const NEW: Self = Self {
        source: Model::NEW,
        values: [0; 9],
        len: 0,
        next: 0,
        last: 0,
        costs: [0; GUESSES],
        numbers: [0; 3],
    };
}

impl Identifiers {
    const NEW: Self = Self {
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

/// What is allocated, and what it is charged as: part of the format, whatever a machine makes of it.
trait Charged: Copy {
    const CHARGE: usize;
}

/// An entry of a table that leads from ids to places.
type Listed = (Place, u16);

macro_rules! charged {
    ($($type:ty: $charge:literal,)+) => {$(
        impl Charged for $type {
            const CHARGE: usize = $charge;
        }
        const _: () = assert!(size_of::<$type>() <= $charge);
    )+};
}

charged! {
    Model: 32,
    Number: 64,
    Difference: 64,
    Recent: 64,
    Steps: 96,
    Integers: 128,
    Identifiers: 256,
    LeafModels: 36,
    SlotModels: 8,
    ParameterModels: 8,
    Listed: 8,
}

/// Gives `place` an element of `array` if it has none and there is room.
#[inline]
fn ensure<T: Charged>(array: &mut Vec<T>, left: &mut usize, place: Place, new: &T) -> Place {
    if place == 0 {
        return add(array, left, new);
    }
    place
}

#[cold]
#[inline(never)]
fn add<T: Charged>(array: &mut Vec<T>, left: &mut usize, new: &T) -> Place {
    if *left < T::CHARGE {
        return 0;
    }
    *left -= T::CHARGE;
    array.push(*new);
    (array.len() - 1) as Place
}

/// The index of the model that a place in the models names, which gets one if it has none.
macro_rules! ensure_model {
    ($models:expr, $($place:tt)+) => {{
        let place = $models.$($place)+;
        let place = $models.symbol_place(place);
        $models.$($place)+ = place;
        place as usize
    }};
}
pub(crate) use ensure_model;

impl Models {
    /// Copies `from` without allocating where there is room.
    pub(crate) fn copy_from(&mut self, from: &Self) {
        self.symbols.clone_from(&from.symbols);
        self.numbers.clone_from(&from.numbers);
        self.differences.clone_from(&from.differences);
        self.steps.clone_from(&from.steps);
        self.recents.clone_from(&from.recents);
        self.integers.clone_from(&from.integers);
        self.identifiers.clone_from(&from.identifiers);
        self.leaves.clone_from(&from.leaves);
        self.slots.clone_from(&from.slots);
        self.templates.clone_from(&from.templates);
        self.texts.clone_from(&from.texts);
        self.parameters.clone_from(&from.parameters);
        self.common = from.common;
        self.blocks = from.blocks;
        self.nonces = from.nonces;
        self.left = from.left;
    }

    /// Bytes that are allocated by use.
    pub(crate) fn size(&self) -> usize {
        BUDGET - self.left
    }

    #[inline]
    pub(crate) fn symbol_place(&mut self, place: Place) -> Place {
        ensure(&mut self.symbols, &mut self.left, place, &Model::NEW)
    }

    #[inline]
    pub(crate) fn number_place(&mut self, place: Place) -> Place {
        ensure(&mut self.numbers, &mut self.left, place, &Number::NEW)
    }

    #[inline]
    pub(crate) fn difference_place(&mut self, place: Place) -> Place {
        let new = &Difference::NEW;
        ensure(&mut self.differences, &mut self.left, place, new)
    }

    #[inline]
    pub(crate) fn steps_place(&mut self, place: Place) -> Place {
        ensure(&mut self.steps, &mut self.left, place, &Steps::NEW)
    }

    #[inline]
    pub(crate) fn recent_place(&mut self, place: Place) -> Place {
        ensure(&mut self.recents, &mut self.left, place, &Recent::NEW)
    }

    #[inline]
    pub(crate) fn integers_place(&mut self, place: Place) -> Place {
        ensure(&mut self.integers, &mut self.left, place, &Integers::NEW)
    }

    #[inline]
    pub(crate) fn identifiers_place(&mut self, place: Place) -> Place {
        let new = &Identifiers::NEW;
        ensure(&mut self.identifiers, &mut self.left, place, new)
    }

    /// The index of a leaf's models.
    #[inline]
    pub(crate) fn leaf(&mut self, id: u16) -> usize {
        let id = usize::from(id);
        if id >= self.leaves.len() {
            return self.add_leaves(id);
        }
        id
    }

    #[cold]
    fn add_leaves(&mut self, id: usize) -> usize {
        let missing = id + 1 - self.leaves.len();
        let size = missing * LeafModels::CHARGE;
        if self.left < size {
            return 0;
        }
        self.left -= size;
        self.leaves.resize(id + 1, LeafModels::default());
        id
    }

    /// The index of the models of a template's first slot; nothing if there is no room: all share the first.
    #[inline]
    pub(crate) fn template(&mut self, id: u16, slots: usize) -> Option<usize> {
        several(
            &mut self.templates,
            &mut self.slots,
            &mut self.left,
            id,
            slots,
        )
    }

    /// The index of the models of a text's first parameter; nothing if there is no room: all share the first.
    #[inline]
    pub(crate) fn text(&mut self, id: u16, parameters: usize) -> Option<usize> {
        several(
            &mut self.texts,
            &mut self.parameters,
            &mut self.left,
            id,
            parameters,
        )
    }

    /// A number by its magnitude.
    #[inline]
    pub(crate) fn number<C: Coder>(&mut self, c: &mut C, at: Place, value: u64) -> Outcome<u64> {
        let token = if C::ENCODES { token(value) } else { 0 };
        let number = &mut self.numbers[at as usize];
        let high = c.symbol(&mut number.high, token >> 4) & 15;
        let mut low_at = usize::from(number.low[high]);
        if low_at == 0 {
            low_at = self.new_low(at, high);
        }
        let low = c.symbol(&mut self.symbols[low_at], token & 15);
        let token = (high << 4) | low;
        if token < 16 {
            return Ok(token as u64);
        }
        let rest = (token as u32 - 16) / 4 + 2;
        let bits = c.bits(value, rest)?;
        if C::ENCODES {
            return Ok(value);
        }
        Ok((((token as u64 & 3) | 4) << rest) | bits)
    }

    /// A difference of either sign.
    #[inline]
    pub(crate) fn signed<C: Coder>(&mut self, c: &mut C, at: Place, value: u64) -> Outcome<u64> {
        let (mut high, mut low, mut rest) = (0, 0, 0);
        let sign = (value as i64 >> 63) as u64;
        let magnitude = (value ^ sign).wrapping_sub(sign);
        if C::ENCODES {
            (high, low, rest) = split_magnitude(magnitude);
            high |= (sign & 8) as usize;
        }
        let number = &mut self.differences[at as usize];
        high = c.symbol(&mut number.high, high);
        let class = high % CLASSES;
        let mut low_at = usize::from(number.low[class]);
        if low_at == 0 {
            low_at = self.new_class(at, class);
        }
        low = c.symbol(&mut self.symbols[low_at], low);
        let mut first = 0;
        if !C::ENCODES {
            (first, rest) = match (class, low) {
                (0, _) => (low as u64, 0),
                (FAR_CLASS, FARTHEST) => (0, 64),
                (FAR_CLASS, _) => (1, low as u32 + FAR_BITS - 1),
                _ => ((low as u64 & 3) | 4, (4 * class + low / 4) as u32 - 2),
            };
        }
        let bits = c.bits(magnitude, rest)?;
        if C::ENCODES {
            return Ok(value);
        }
        let sign = 0_u64.wrapping_sub((high >> 3) as u64);
        let magnitude = first.unbounded_shl(rest) | bits;
        Ok((magnitude ^ sign).wrapping_sub(sign))
    }

    /// A number by its difference to the guess that was the best lately, both divided by `unit`; what the guesses
    /// cost is followed.
    #[inline]
    pub(crate) fn guessed<C: Coder>(
        &mut self,
        c: &mut C,
        at: Place,
        guesses: &[u64; GUESSES],
        unit: u32,
        value: u64,
    ) -> Outcome<u64> {
        let guess = guesses[cheapest(&self.differences[usize::from(at)].costs)];
        // Constants, so that nothing is divided by a variable.
        let value = match unit {
            1 => {
                let difference = self.signed(c, at, value.wrapping_sub(guess))?;
                guess.wrapping_add(difference)
            }
            100 => self.in_units::<100, C>(c, at, guess, value)?,
            1_000 => self.in_units::<1_000, C>(c, at, guess, value)?,
            _ => self.in_units::<1_000_000, C>(c, at, guess, value)?,
        };
        let costs = &mut self.differences[usize::from(at)].costs;
        follow(costs, value, guesses, &[0; GUESSES]);
        Ok(value)
    }

    #[inline]
    fn in_units<const UNIT: u64, C: Coder>(
        &mut self,
        c: &mut C,
        at: Place,
        guess: u64,
        value: u64,
    ) -> Outcome<u64> {
        let (value, guess) = (value / UNIT, guess / UNIT);
        let difference = self.signed(c, at, value.wrapping_sub(guess))?;
        Ok(guess.wrapping_add(difference).wrapping_mul(UNIT))
    }
}

/// The class of magnitudes whose lengths are told one by one, from so many bits on.
const FAR_CLASS: usize = CLASSES - 1;
const FAR_BITS: u32 = 29;
/// The symbol below it of those that are longer still.
const FARTHEST: usize = 15;

/// The class of a magnitude, the symbol below it, and how many bits follow.
#[inline]
fn split_magnitude(magnitude: u64) -> (usize, usize, u32) {
    if magnitude < 16 {
        return (0, magnitude as usize, 0);
    }
    let len = 64 - magnitude.leading_zeros();
    if len < FAR_BITS {
        let token = 4 * (len as usize - 1) + ((magnitude >> (len - 3)) & 3) as usize;
        return (token >> 4, token & 15, len - 3);
    }
    let low = (len - FAR_BITS) as usize;
    if low < FARTHEST {
        (FAR_CLASS, low, len - 1)
    } else {
        (FAR_CLASS, FARTHEST, 64)
    }
}

impl Models {
    /// The place of a number's model of lower halves, which it does not have yet.
    #[cold]
    fn new_low(&mut self, at: Place, high: usize) -> usize {
        let place = self.symbol_place(0);
        self.numbers[at as usize].low[high] = place;
        place as usize
    }

    /// Likewise, of a difference's.
    #[cold]
    fn new_class(&mut self, at: Place, class: usize) -> usize {
        let place = self.symbol_place(0);
        self.differences[usize::from(at)].low[class] = place;
        usize::from(place)
    }
}

fn token(value: u64) -> usize {
    if value < 16 {
        return value as usize;
    }
    let len = 64 - value.leading_zeros();
    ((len - 5) * 4 + 16) as usize + ((value >> (len - 3)) & 3) as usize
}

/// The first of the least costs.
#[inline]
pub(crate) fn cheapest<const N: usize>(costs: &[u16; N]) -> usize {
    let (mut best, mut least) = (0, costs[0]);
    for (at, &cost) in costs.iter().enumerate().skip(1) {
        let is_less = cost < least;
        best = select_unpredictable(is_less, at, best);
        least = select_unpredictable(is_less, cost, least);
    }
    best
}

/// The first of an entry's several places: found by its id in a table that grows with the ids.
#[inline]
fn several<T: Clone + Default + Charged>(
    table: &mut Vec<Listed>,
    array: &mut Vec<T>,
    left: &mut usize,
    id: u16,
    count: usize,
) -> Option<usize> {
    let id = usize::from(id);
    if let Some(&(place, held)) = table.get(id)
        && place != 0
    {
        return (usize::from(held) >= count).then_some(place as usize);
    }
    add_several(table, array, left, id, count)
}

#[cold]
fn add_several<T: Clone + Default + Charged>(
    table: &mut Vec<Listed>,
    array: &mut Vec<T>,
    left: &mut usize,
    id: usize,
    count: usize,
) -> Option<usize> {
    let missing = (id + 1).saturating_sub(table.len());
    let size = missing * Listed::CHARGE + count * T::CHARGE;
    if *left < size {
        return None;
    }
    *left -= size;
    table.resize(table.len() + missing, (0, 0));
    let place = array.len();
    table[id] = (place as Place, count as u16);
    array.resize(place + count, T::default());
    Some(place)
}
