//! Entries by their contents, and what the receiver is known to hold.

use crate::hash::xxh3_with_seed;
use hashbrown::HashTable;

use crate::dict::{Dict, KINDS, Kind, LONGEST, charge};
use crate::error::Result;
use crate::limits::ENTRIES;
use crate::pattern::{self, ANYTHING, Parameter};
use crate::session::Book;

/// The text that every stream begins with: a pattern of which every string is an instance.
pub(crate) const ANYTHING_ID: u16 = 0;

/// What the sender knows of an entry.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    /// By instance of receiver, a bit.
    acknowledged: u8,
    /// The message that defined it last.
    message: u64,
}

/// Strings that a column may add to the texts, unless most of its strings are found there.
const MOST_NEW_TEXTS: u32 = 24;

/// Texts of a column that are tried before a string is taken apart.
const LATEST: usize = 4;

/// What the strings of a column were.
#[derive(Debug, Default, Clone, Copy)]
struct Column {
    /// Texts that it added, and strings that were looked up.
    new: u32,
    all: u32,
    /// The latest first; 0 for none.
    latest: [u16; LATEST],
}

/// Strings after which parameters that were always the same become part of the text.
const SETTLED: u8 = 16;

/// Fewer parameters are not worth a text.
const FEWEST_FIXED: usize = 2;

/// What the strings of a text with parameters were.
#[derive(Debug, Default)]
struct Uses {
    /// Up to `SETTLED`.
    count: u8,
    /// The parameters that were always the same, a bit each, and the latest of all.
    same: u16,
    parameters: Vec<Parameter>,
    /// The text with these as they are; 0 for none.
    fixed: u16,
}

#[derive(Debug, Default)]
pub(super) struct EncoderBook {
    pub(super) dict: Dict,
    /// Ids by the hash of kind and bytes, which is kept so that a table that grows asks for none again.
    index: HashTable<(u32, Kind, u16)>,
    held: [Vec<Held>; KINDS],
    /// What the message defines.
    pub(super) defined: Vec<(Kind, u16)>,
    /// The message that is being encoded: one more for each, whatever its stream and epoch.
    message: u64,
    self_contained: bool,
    /// Bits of the receivers that must hold what is not defined anew; at least one.
    instances: u8,
    /// Traces of the message, by id.
    traces: HashTable<(u128, usize)>,
    columns: Columns,
    /// By the text's id.
    uses: Vec<Uses>,
    pattern: Vec<u8>,
    seed: u64,
}

/// Hashes of small numbers that an outsider cannot foresee.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seeded(u64);

impl core::hash::BuildHasher for Seeded {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded(self.0)
    }
}

#[derive(Debug)]
pub(super) struct Folded(u64);

impl core::hash::Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value);
    }
}

impl Column {
    fn put_first(&mut self, at: usize, id: u16) {
        if at > 0 {
            self.latest.copy_within(..at, 1);
        }
        self.latest[0] = id;
    }
}

/// What the strings of each slot of each template were.
#[derive(Debug, Default)]
struct Columns {
    /// By the template's id, where its columns begin, plus one.
    templates: Vec<u32>,
    columns: Vec<Column>,
}

impl Columns {
    fn clear(&mut self) {
        self.templates.clear();
        self.columns.clear();
    }

    /// The column of a template's slot.
    #[inline]
    fn get(&mut self, dict: &Dict, template: u16, slot: usize) -> &mut Column {
        let id = template;
        let template = usize::from(template);
        if self.templates.get(template).is_none_or(|first| *first == 0) {
            let slots = dict.template(id).map_or(0, |held| held.slots.len());
            self.add(template, slots.max(slot + 1));
        }
        &mut self.columns[self.templates[template] as usize - 1 + slot]
    }

    #[cold]
    fn add(&mut self, template: usize, slots: usize) {
        if self.templates.len() <= template {
            self.templates.resize(template + 1, 0);
        }
        self.templates[template] = self.columns.len() as u32 + 1;
        let columns = self.columns.len() + slots;
        self.columns.resize(columns, Column::default());
    }
}

fn fold(value: u64) -> u64 {
    let product = u128::from(value) * 0x9e37_79b9_7f4a_7c15_u128;
    (product >> 64) as u64 ^ product as u64
}

/// Tables look at the lowest bits and at the highest.
fn widened(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl EncoderBook {
    pub(super) fn new(seed: u64) -> Self {
        let mut book = Self {
            seed,
            ..Self::default()
        };
        book.clear();
        book
    }

    /// Begins an epoch.
    pub(super) fn clear(&mut self) {
        self.dict.clear();
        self.index.clear();
        for held in &mut self.held {
            held.clear();
        }
        self.columns.clear();
        self.uses.clear();
        // Within any limit, and well formed.
        let _ = self.dict.define(Kind::Text, ANYTHING_ID, ANYTHING, ENTRIES);
        self.held[Kind::Text as usize].push(Held::default());
        // No leaf has the first id.
        self.held[Kind::Leaf as usize].push(Held::default());
    }

    pub(super) fn begin(&mut self, self_contained: bool, instances: u8) {
        self.instances = instances;
        self.message += 1;
        self.self_contained = self_contained;
        self.defined.clear();
        self.traces.clear();
    }

    /// The receiver of this number is no more.
    pub(super) fn forget_instances(&mut self) {
        for held in self.held.iter_mut().flatten() {
            held.acknowledged = 0;
        }
    }

    /// The receiver of this number holds these entries.
    pub(super) fn acknowledge(&mut self, instance: usize, defined: &[(Kind, u16)]) {
        for (kind, id) in defined {
            if let Some(held) = self.held[*kind as usize].get_mut(usize::from(*id)) {
                held.acknowledged |= 1 << instance;
            }
        }
    }

    fn hash(&self, kind: Kind, bytes: &[u8]) -> u32 {
        xxh3_with_seed(bytes, self.seed ^ kind as u64) as u32
    }

    /// The id of an entry, which is made if there is none and there is room.
    pub(super) fn entry(&mut self, kind: Kind, bytes: &[u8]) -> Option<u16> {
        let hash = self.hash(kind, bytes);
        self.find(hash, kind, bytes)
            .or_else(|| self.add(hash, kind, bytes))
    }

    /// The id of an entry that is there.
    pub(super) fn known(&self, kind: Kind, bytes: &[u8]) -> Option<u16> {
        self.find(self.hash(kind, bytes), kind, bytes)
    }

    fn find(&self, hash: u32, kind: Kind, bytes: &[u8]) -> Option<u16> {
        let same = |&(other, its_kind, id): &(u32, Kind, u16)| {
            other == hash && its_kind == kind && self.dict.bytes(kind, id) == Some(bytes)
        };
        self.index.find(widened(hash), same).map(|held| held.2)
    }

    fn add(&mut self, hash: u32, kind: Kind, bytes: &[u8]) -> Option<u16> {
        let held = &mut self.held[kind as usize];
        if self.dict.size() + charge(kind, bytes.len(), 0) > ENTRIES
            || bytes.len() > LONGEST[kind as usize]
        {
            return None;
        }
        let id = u16::try_from(held.len()).ok().filter(|id| *id < u16::MAX)?;
        self.dict.define(kind, id, bytes, ENTRIES).ok()?;
        held.push(Held::default());
        self.index
            .insert_unique(widened(hash), (hash, kind, id), |held| widened(held.0));
        Some(id)
    }
}

impl EncoderBook {
    #[inline]
    fn is_settled(&self, id: u16) -> bool {
        let uses = self.uses.get(usize::from(id));
        uses.is_some_and(|uses| uses.count == SETTLED)
    }

    /// The text that a string is to be an instance of, which is one of `id`: that with fewer parameters, if there is.
    fn fixed(&mut self, id: u16, text: &[u8], parameters: &mut Vec<Parameter>) -> u16 {
        if !self.is_settled(id) {
            return self.settle(id, parameters);
        }
        let fixed = self.uses[usize::from(id)].fixed;
        for id in [fixed, id] {
            if id != ANYTHING_ID
                && let Ok(held) = self.dict.text(id)
                && held.matches(text, parameters)
            {
                return id;
            }
        }
        id
    }

    /// Counts a string; once there were several, parameters that were always the same become part of a text of
    /// its own. Gives the text and the parameters that are left.
    #[cold]
    fn settle(&mut self, id: u16, parameters: &mut Vec<Parameter>) -> u16 {
        if self.uses.len() <= usize::from(id) {
            self.uses.resize_with(usize::from(id) + 1, Uses::default);
        }
        let uses = &mut self.uses[usize::from(id)];
        if uses.count == 0 {
            uses.same = u16::MAX;
        } else {
            for (at, (now, before)) in parameters.iter().zip(&uses.parameters).enumerate() {
                uses.same &= !(u16::from(now != before) << at);
            }
        }
        uses.count += 1;
        uses.parameters.clone_from(parameters);
        if uses.count < SETTLED {
            return id;
        }
        let same = uses.same;
        uses.parameters = Vec::new();
        let fixed = (0..parameters.len()).filter(|at| same >> at & 1 == 1);
        if fixed.count() < FEWEST_FIXED {
            return id;
        }
        let mut pattern = core::mem::take(&mut self.pattern);
        pattern.clear();
        if let Ok(text) = self.dict.text(id) {
            pattern::fix(&text.parts, parameters, same, &mut pattern);
        }
        let fixed = self.entry(Kind::Text, &pattern);
        self.pattern = pattern;
        let Some(fixed) = fixed else {
            return id;
        };
        self.uses[usize::from(id)].fixed = fixed;
        let mut at = 0;
        parameters.retain(|_| {
            at += 1;
            same >> (at - 1) & 1 == 0
        });
        fixed
    }
}

impl Book for EncoderBook {
    fn dict(&self) -> &Dict {
        &self.dict
    }

    fn is_known(&mut self, kind: Kind, id: u16) -> bool {
        if kind == Kind::Text && id == ANYTHING_ID {
            return true;
        }
        let Some(held) = self.held[kind as usize].get_mut(usize::from(id)) else {
            return true;
        };
        if held.message == self.message
            || (held.acknowledged & self.instances == self.instances && !self.self_contained)
        {
            return true;
        }
        held.message = self.message;
        self.defined.push((kind, id));
        false
    }

    fn define(&mut self, _kind: Kind, _id: u16, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }

    fn find_trace(&self, id: u128) -> Option<usize> {
        self.traces
            .find(fold(id as u64 ^ self.seed), |held| held.0 == id)
            .map(|held| held.1)
    }

    fn new_trace(&mut self, id: u128, index: usize) {
        let seed = self.seed;
        self.traces
            .insert_unique(fold(id as u64 ^ seed), (id, index), |held| {
                fold(held.0 as u64 ^ seed)
            });
    }

    fn choose_text(
        &mut self,
        (template, slot): (u16, usize),
        text: &[u8],
        parameters: &mut Vec<Parameter>,
    ) -> u16 {
        if text.len() <= LONGEST[Kind::Text as usize] / 2 {
            let column = self.columns.get(&self.dict, template, slot);
            for at in 0..LATEST {
                let id = column.latest[at];
                if id != ANYTHING_ID
                    && let Ok(held) = self.dict.text(id)
                    && held.matches(text, parameters)
                {
                    column.put_first(at, id);
                    if parameters.is_empty() || self.is_settled(id) {
                        return id;
                    }
                    let id = self.settle(id, parameters);
                    self.columns.get(&self.dict, template, slot).latest[0] = id;
                    return id;
                }
            }
            let mut counts = *column;
            // As it is, which all are that have no parameters.
            let mut found = self.known(Kind::Text, text);
            let is_literal = found.and_then(|id| self.dict.text(id).ok());
            if !is_literal
                .is_some_and(|held| held.parameters.is_empty() && held.matches(text, parameters))
            {
                let mut pattern = core::mem::take(&mut self.pattern);
                pattern::split(text, &mut pattern, parameters);
                found = self.known(Kind::Text, &pattern);
                if found.is_none() {
                    counts.all += 1;
                    if counts.new < MOST_NEW_TEXTS || counts.new * 8 < counts.all {
                        counts.new += 1;
                        found = self.entry(Kind::Text, &pattern);
                    }
                }
                self.pattern = pattern;
                if !parameters.is_empty() {
                    found = found.map(|id| self.fixed(id, text, parameters));
                }
            }
            if let Some(id) = found {
                counts.put_first(LATEST - 1, id);
            }
            *self.columns.get(&self.dict, template, slot) = counts;
            if let Some(id) = found {
                return id;
            }
        }
        parameters.clear();
        ANYTHING_ID
    }
}
