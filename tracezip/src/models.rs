//! What a stream has learnt: models of numbers, of entries, of columns, by what they stand for.
//!
//! Everything here is plain data in a few arrays, so that a copy of it, which is what the two sides agree on,
//! is a few copies of memory. Places are allocated as they are needed, in the order of their use, until the
//! budget is spent; from then on what is new shares the first place of its kind.

mod held;
mod number;

pub(crate) use held::{Identifiers, Integers, NOT_RECENT, Recent, Steps, Tie, put_next};
use number::Guessed;
pub(crate) use number::{GUESSES, cheapest};

use crate::coder::Model;
use crate::dict::KINDS;

/// Memory that a stream's models take at most.
pub(crate) const BUDGET: usize = 160 * 1024;
// Places are 16 bits: nothing that is placed is charged as little as would take more.
const _: () = assert!(BUDGET / ParameterModels::CHARGE <= Place::MAX as usize);

/// A place in one of the arrays; 0 if there is none yet. The budget is spent before 16 bits are.
pub(crate) type Place = u16;

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
    guessed: Vec<Guessed>,
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
            guessed: vec![Guessed::NEW],
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

/// What is allocated, and what it is charged as: part of the format, whatever a machine makes of it.
trait Charged: Copy {
    const CHARGE: usize;
}

/// Bytes that an array gets at least when it grows.
const ROOM: usize = 2048;

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
    Guessed: 64,
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
    if array.len() == array.capacity() {
        // Not step by step from one on: aligned arrays are copied each time.
        array.reserve(array.len().max(ROOM / size_of::<T>()));
    }
    array.push(*new);
    (array.len() - 1) as Place
}

/// Makes `to` the same as `from`, with room for what will be added.
fn copy<T: Copy>(to: &mut Vec<T>, from: &Vec<T>) {
    to.clear();
    if to.capacity() < from.len() {
        *to = Vec::with_capacity(from.capacity());
    }
    to.extend_from_slice(from);
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
        copy(&mut self.symbols, &from.symbols);
        copy(&mut self.guessed, &from.guessed);
        copy(&mut self.steps, &from.steps);
        copy(&mut self.recents, &from.recents);
        copy(&mut self.integers, &from.integers);
        copy(&mut self.identifiers, &from.identifiers);
        copy(&mut self.leaves, &from.leaves);
        copy(&mut self.slots, &from.slots);
        copy(&mut self.templates, &from.templates);
        copy(&mut self.texts, &from.texts);
        copy(&mut self.parameters, &from.parameters);
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
    pub(crate) fn guessed_place(&mut self, place: Place) -> Place {
        let new = &Guessed::NEW;
        ensure(&mut self.guessed, &mut self.left, place, new)
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
