//! Which values of a span belong to its leaf, and which are its own.

use super::book::EncoderBook;
use crate::dict::{Kind, UNITS};
use crate::session::Book;
use crate::shape::{Parsed, Slot};
use crate::wire::put_varint;

/// Distinct values that a slot may have in the leaves of a template.
const MOST_VALUES: usize = 24;
/// Values that say nothing yet about how many there will be, and names of spans, of which a trace's first ones may all
/// differ though there are not many.
const FEW_VALUES: usize = 3;
const FEW_NAMES: usize = 6;
/// Leaves that a template has before slots with many values are taken out of them.
const MANY_LEAVES: usize = 192;

/// What the encoder knows about a template.
#[derive(Debug, Default)]
struct Known {
    /// Values that each slot had in leaves; empty for slots that are each span's own.
    values: Vec<Vec<u64>>,
    local: Vec<bool>,
    spans: usize,
    leaves: usize,
    start_unit: usize,
    end_unit: usize,
}

#[derive(Debug, Default)]
pub(super) struct Planner {
    templates: Vec<Known>,
    key: Vec<u8>,
    seed: u64,
}

impl Planner {
    pub(super) fn clear(&mut self, seed: u64) {
        self.templates.clear();
        self.seed = seed;
    }

    /// Counts a span of a template.
    pub(super) fn count(&mut self, template: u16) {
        if let Some(known) = self.templates.get_mut(usize::from(template)) {
            known.spans += 1;
        }
    }

    /// The leaf of a parsed span with a name, which lies in the input; nothing if there is no room for it.
    pub(super) fn leaf(
        &mut self,
        book: &mut EncoderBook,
        parsed: &Parsed,
        input: &[u8],
        name: &[u8],
    ) -> Option<u16> {
        let id = book.entry(Kind::Template, &parsed.shape)?;
        let template = std::sync::Arc::clone(book.dict().template(id).ok()?);
        let index = usize::from(id);
        if self.templates.len() <= index {
            self.templates.resize_with(index + 1, Known::default);
        }
        let known = &mut self.templates[index];
        if known.local.len() != template.slots.len() {
            known.local = template.slots.iter().map(|slot| !slot.is_plain()).collect();
            known.values = vec![Vec::new(); template.slots.len()];
            known.start_unit = UNITS.len() - 1;
            known.end_unit = UNITS.len() - 1;
        }
        known.units(&template.slots, &parsed.values);
        known.key(id, &template.slots, parsed, input, &mut self.key);
        if let Some(leaf) = book.known(Kind::Leaf, &self.key) {
            return Some(leaf);
        }
        if known.learn(&template.slots, parsed, (input, name), self.seed) {
            known.key(id, &template.slots, parsed, input, &mut self.key);
            if let Some(leaf) = book.known(Kind::Leaf, &self.key) {
                return Some(leaf);
            }
        }
        known.leaves += 1;
        book.entry(Kind::Leaf, &self.key)
    }
}

impl Known {
    /// Units get finer, never coarser.
    fn units(&mut self, slots: &[Slot], values: &[u64]) {
        if self.start_unit == 0 && self.end_unit == 0 {
            return;
        }
        let (mut start, mut end) = (false, false);
        for (slot, value) in slots.iter().zip(values) {
            let unit = match slot {
                Slot::Start if !start => {
                    start = true;
                    &mut self.start_unit
                }
                Slot::End if !end => {
                    end = true;
                    &mut self.end_unit
                }
                _ => continue,
            };
            while !value.is_multiple_of(u64::from(UNITS[*unit])) {
                *unit -= 1;
            }
        }
    }

    /// The bytes of the span's leaf.
    fn key(&self, id: u16, slots: &[Slot], parsed: &Parsed, input: &[u8], key: &mut Vec<u8>) {
        key.clear();
        put_varint(u64::from(id), key);
        key.push((self.start_unit | (self.end_unit << 2)) as u8);
        for ((slot, &value), local) in slots.iter().zip(&parsed.values).zip(&self.local) {
            if !slot.is_plain() {
                continue;
            }
            if *local {
                key.push(0);
                continue;
            }
            key.push(1);
            if matches!(slot, Slot::Bytes(_)) {
                let bytes = bytes(input, value);
                put_varint(bytes.len() as u64, key);
                key.extend_from_slice(bytes);
            } else {
                put_varint(value, key);
            }
        }
    }

    /// Takes note of the values of a new leaf. Says whether slots were taken out of the leaves.
    fn learn(
        &mut self,
        slots: &[Slot],
        parsed: &Parsed,
        (input, name): (&[u8], &[u8]),
        seed: u64,
    ) -> bool {
        let mut changed = false;
        // With this one.
        let spans = self.spans + 1;
        for (at, (slot, &value)) in slots.iter().zip(&parsed.values).enumerate() {
            if self.local[at] {
                continue;
            }
            let is_bytes = matches!(slot, Slot::Bytes(_));
            let hash = if is_bytes {
                crate::hash::xxh3_with_seed(bytes(input, value), seed)
            } else {
                value
            };
            let values = &mut self.values[at];
            if values.contains(&hash) {
                continue;
            }
            values.push(hash);
            let many = values.len() > MOST_VALUES;
            let few = if is_bytes && core::ptr::eq(bytes(input, value), name) {
                FEW_NAMES
            } else {
                FEW_VALUES
            };
            let most = values.len() > few && values.len() * 2 > spans;
            if many || most {
                self.local[at] = true;
                changed = true;
            }
        }
        if !changed && self.leaves >= MANY_LEAVES && self.leaves * 4 > spans {
            let widest = (0..slots.len())
                .filter(|at| !self.local[*at])
                .max_by_key(|at| self.values[*at].len());
            if let Some(at) = widest {
                self.local[at] = true;
                changed = true;
            }
        }
        changed
    }
}

fn bytes(input: &[u8], value: u64) -> &[u8] {
    let at = (value >> 32) as usize;
    &input[at..at + value as u32 as usize]
}
