//! One message, coded in either direction.

mod column;
mod ids;
mod span;
mod step;
mod times;

use std::sync::Arc;

use zeroize::Zeroize;

use crate::coder::{Coder, Column, equal_lanes};
use crate::dict::{Dict, Kind, LONGEST};
use crate::error::{DecodeError, Outcome, Result};
use crate::ids::IdPermutation;
use crate::models::{Models, NOT_RECENT, Place};
use crate::pattern::Parameter;
use crate::traces::Traces;

/// The entries, as the side that codes sees them.
pub(crate) trait Book {
    fn dict(&self) -> &Dict;

    /// Encoders: whether the receiver knows the entry, or will when it comes to this place. If not, it is
    /// defined here.
    fn is_known(&mut self, kind: Kind, id: u16) -> bool;

    /// Decoders: the message defines an entry.
    fn define(&mut self, kind: Kind, id: u16, bytes: &[u8]) -> Result<()>;

    /// Encoders: the index of a trace in this message, if it came up.
    fn find_trace(&self, _id: u128) -> Option<usize> {
        None
    }

    fn new_trace(&mut self, _id: u128, _index: usize) {}

    /// Encoders: the text that a string of a template's slot is an instance of, and the parameters.
    fn choose_text(
        &mut self,
        slot: (u16, usize),
        text: &[u8],
        parameters: &mut Vec<Parameter>,
    ) -> u16;
}

/// Spans under one scope of one resource.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Group {
    /// The entry that the scope begins with.
    pub(crate) shell: u16,
    /// Spans that are still to come.
    pub(crate) left: usize,
}

/// How many groups are looked at for the one that a span is expected in.
const FIRST_GROUPS: usize = 64;

/// The groups of a message.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    list: Vec<Group>,
    /// The shells of the first ones, and a bit for each that has spans left.
    shells: [[u16; 16]; FIRST_GROUPS / 16],
    open: u64,
}

impl Groups {
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.open = 0;
    }

    pub(crate) fn push(&mut self, group: Group) {
        let at = self.list.len();
        if at < FIRST_GROUPS {
            self.shells[at / 16][at % 16] = group.shell;
            self.open |= u64::from(group.left > 0) << at;
        }
        self.list.push(group);
    }

    /// Spans that a group still has.
    pub(crate) fn left(&self, group: usize) -> usize {
        self.list.get(group).map_or(0, |group| group.left)
    }

    /// Whether there is no choice.
    #[inline]
    pub(crate) fn is_one(&self) -> bool {
        self.list.len() == 1
    }

    /// The first of the first with spans left that begins with a shell.
    #[inline]
    pub(crate) fn expected(&self, shell: u16) -> Option<usize> {
        let count = self.list.len().min(FIRST_GROUPS).div_ceil(16);
        let mut found = 0;
        for (shells, at) in self.shells[..count].iter().zip(0..) {
            found |= u64::from(equal_lanes(shells, shell)) << (16 * at);
        }
        found &= self.open;
        (found != 0).then_some(found.trailing_zeros() as usize)
    }

    /// Takes a span from a group; its shell, if there was one.
    #[inline]
    pub(crate) fn take(&mut self, at: usize) -> Option<u16> {
        let group = self.list.get_mut(at)?;
        group.left = group.left.checked_sub(1)?;
        if group.left == 0 && at < FIRST_GROUPS {
            self.open &= !(1 << at);
        }
        Some(group.shell)
    }
}

/// What is kept from message to message only to save allocations.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) traces: Traces,
    pub(crate) groups: Groups,
    /// Decoders: what the values point into.
    pub(crate) scratch: Vec<u8>,
    pub(crate) parameters: Vec<Parameter>,
}

pub(crate) struct Session<'a, B> {
    pub(crate) book: &'a mut B,
    pub(crate) models: &'a mut Models,
    pub(crate) buffers: &'a mut Buffers,
    /// Encoders: what the values point into.
    pub(crate) input: &'a [u8],
    /// Decoders: bytes that may still be written.
    pub(crate) budget: usize,
    keys: Vec<Arc<IdPermutation>>,
    /// The span before: where the models of its leaf are.
    before: usize,
    group: usize,
    start: u64,
    end: u64,
    /// Of this span: what the latest column of integers held.
    integer: u64,
    duration: u64,
}

/// The id that no leaf has: the span is written as it is.
pub(crate) const NO_LEAF: u16 = 0;

impl<'a, B: Book> Session<'a, B> {
    pub(crate) fn new(
        book: &'a mut B,
        models: &'a mut Models,
        buffers: &'a mut Buffers,
        input: &'a [u8],
        budget: usize,
    ) -> Self {
        buffers.traces.reset();
        buffers.groups.clear();
        Self {
            book,
            models,
            buffers,
            input,
            budget,
            keys: Vec::new(),
            before: 0,
            group: 0,
            start: 0,
            end: 0,
            integer: 0,
            duration: 0,
        }
    }

    /// Takes `len` bytes from what may still be written.
    pub(crate) fn spend(&mut self, len: usize) -> Outcome<()> {
        self.budget = self
            .budget
            .checked_sub(len)
            .ok_or(DecodeError::Corrupt("more bytes than the declared size"))?;
        Ok(())
    }

    /// A count or a length.
    pub(crate) fn count<C: Coder>(&mut self, c: &mut C, count: usize) -> Outcome<usize> {
        let place = self.models.symbol_place(self.models.common.counts);
        self.models.common.counts = place;
        let count = self.models.number(c, place, count as u64)?;
        Ok(usize::try_from(count).map_err(|_| DecodeError::Corrupt("a count"))?)
    }

    /// A few symbols without a place of their own.
    pub(crate) fn flag<C: Coder>(&mut self, c: &mut C, flag: usize) -> usize {
        let place = self.models.symbol_place(self.models.common.flags);
        self.models.common.flags = place;
        c.symbol(&mut self.models.symbols[place as usize], flag)
    }

    /// Text whose length is coded before it; where it lies in the scratch.
    pub(crate) fn long_text<C: Coder>(
        &mut self,
        c: &mut C,
        text: &[u8],
    ) -> Outcome<(usize, usize)> {
        let place = self.models.symbol_place(self.models.common.lens);
        self.models.common.lens = place;
        let len = self.models.number(c, place, text.len() as u64)? as usize;
        if !C::ENCODES {
            self.spend(len)?;
        }
        let start = self.buffers.scratch.len();
        c.text(text, len, &mut self.buffers.scratch)?;
        Ok((start, len))
    }

    /// An entry, by the recent ones of a place, by its id, or by its definition.
    #[inline]
    pub(crate) fn entry<C: Coder>(
        &mut self,
        c: &mut C,
        place: Place,
        kind: Kind,
        id: u16,
    ) -> Outcome<u16> {
        let recent = &mut self.models.recents[place as usize];
        let symbol = if C::ENCODES { recent.find(id) } else { 0 };
        let symbol = c.symbol(&mut recent.model, symbol);
        if symbol != NOT_RECENT {
            let known = recent.get(symbol);
            return Ok(known.ok_or(DecodeError::Corrupt("an entry that was not there"))?);
        }
        self.new_entry(c, place, kind, id)
    }

    #[cold]
    #[inline(never)]
    fn new_entry<C: Coder>(
        &mut self,
        c: &mut C,
        place: Place,
        kind: Kind,
        id: u16,
    ) -> Outcome<u16> {
        let ids = self
            .models
            .symbol_place(self.models.common.ids[kind as usize]);
        self.models.common.ids[kind as usize] = ids;
        let id = u16::try_from(self.models.number(c, ids, u64::from(id))?)
            .map_err(|_| DecodeError::Corrupt("an entry's id"))?;
        self.models.recents[place as usize].insert(id);
        if kind == Kind::Leaf && id == NO_LEAF {
            return Ok(id);
        }
        self.definition(c, kind, id)?;
        Ok(id)
    }

    /// An entry's definition, if it needs one here.
    fn definition<C: Coder>(&mut self, c: &mut C, kind: Kind, id: u16) -> Outcome<()> {
        c.at(Column::Definition(kind as u8));
        let place = self.models.symbol_place(self.models.common.known);
        self.models.common.known = place;
        let known = C::ENCODES && self.book.is_known(kind, id);
        let model = &mut self.models.symbols[place as usize];
        if c.symbol(model, usize::from(!known)) == 0 {
            return Ok(());
        }
        if kind == Kind::Leaf {
            // A leaf names its template, which has to be there first.
            let template = if C::ENCODES {
                self.book.dict().leaf(id)?.head.template_id
            } else {
                0
            };
            let ids = self
                .models
                .symbol_place(self.models.common.ids[Kind::Template as usize]);
            self.models.common.ids[Kind::Template as usize] = ids;
            let template = u16::try_from(self.models.number(c, ids, u64::from(template))?)
                .map_err(|_| DecodeError::Corrupt("a template's id"))?;
            self.definition(c, Kind::Template, template)?;
            c.at(Column::Definition(kind as u8));
        }
        let place = self.models.symbol_place(self.models.common.lens);
        self.models.common.lens = place;
        let bytes = if C::ENCODES {
            self.book.dict().bytes(kind, id).unwrap_or_default()
        } else {
            &[]
        };
        let len = self.models.number(c, place, bytes.len() as u64)? as usize;
        if len > LONGEST[kind as usize] {
            return Err(DecodeError::TooLarge {
                what: "an entry's length",
                declared: len as u64,
                limit: LONGEST[kind as usize] as u64,
            }
            .into());
        }
        let start = self.buffers.scratch.len();
        c.text(bytes, len, &mut self.buffers.scratch)?;
        if !C::ENCODES {
            let defined = self.book.define(kind, id, &self.buffers.scratch[start..]);
            if kind == Kind::Key {
                self.buffers.scratch[start..].zeroize();
            }
            defined?;
            self.buffers.scratch.truncate(start);
        }
        Ok(())
    }
}
