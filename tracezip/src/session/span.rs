//! A span: its trace, its leaf, its group, its ids, and what is its own.

use super::{Book, NO_LEAF, Session};
use crate::coder::{Coder, Column};
use crate::dict::{Kind, LeafHead};
use crate::error::{DecodeError, Outcome};
use crate::models::ensure_model;
use crate::shape::Slot;
use crate::traces::{self, FARTHEST, Relative};

/// Symbols of a span's trace: how many traces came up since it did, or one of these.
mod trace {
    pub(super) const RANKS: usize = 12;
    /// A larger rank follows.
    pub(super) const RANK: usize = 12;
    pub(super) const NONE: usize = 13;
    /// Its index, counted from the latest new trace, follows.
    pub(super) const FAR: usize = 14;
    pub(super) const NEW: usize = 15;
}

/// Symbols of a span's id: how far back its children named it, or one of these.
mod id {
    pub(super) const RANKS: usize = 11;
    pub(super) const RANK: usize = 11;
    pub(super) const NEW: usize = 15;
}

/// Symbols of a parent's id.
mod parent {
    pub(super) const PENDING: usize = 7;
    pub(super) const PENDING_RANK: usize = 7;
    pub(super) const SEEN: usize = 13;
    pub(super) const SEEN_RANK: usize = 13;
    pub(super) const NEW: usize = 15;
}

/// What a decoded or encoded span is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coded {
    pub(crate) group: usize,
    /// No leaf if the span is text of this length at this place of the scratch.
    pub(crate) leaf: u16,
    pub(crate) text: (usize, usize),
}

impl<B: Book> Session<'_, B> {
    /// Codes a span. Encoders give its leaf and group, and its bytes if it has no leaf.
    pub(crate) fn span<C: Coder>(
        &mut self,
        c: &mut C,
        leaf_id: u16,
        group: usize,
        odd: &[u8],
    ) -> Outcome<Coded> {
        let trace_id = if C::ENCODES && leaf_id != NO_LEAF {
            self.book.dict().leaf(leaf_id)?.head.trace_id
        } else {
            None
        };
        c.at(Column::Trace);
        let trace = self.trace(c, trace_id)?;
        let before = self.buffers.traces.get(trace).leaf;
        let next = if before == NO_LEAF {
            let place = self.models.recent_place(self.models.common.first_leaf);
            self.models.common.first_leaf = place;
            place
        } else {
            let at = self.models.leaf(before);
            let place = self.models.recent_place(self.models.leaves[at].next);
            self.models.leaves[at].next = place;
            place
        };
        c.at(Column::Leaf);
        let leaf_id = self.entry(c, next, Kind::Leaf, leaf_id)?;
        c.at(Column::Group);
        let group = self.group(c, leaf_id, group)?;
        self.leaf = leaf_id;
        self.buffers.traces.get(trace).leaf = leaf_id;
        if leaf_id == NO_LEAF {
            c.at(Column::Odd);
            let text = self.long_text(c, odd)?;
            return Ok(Coded {
                group,
                leaf: NO_LEAF,
                text,
            });
        }
        let leaf = self.book.dict().leaf(leaf_id)?.head;
        if !C::ENCODES {
            // What is not charged by its own length has a length that the template knows.
            self.spend(leaf.min_len as usize)?;
            // Those of its own are written before they are read.
            self.buffers.values.resize(usize::from(leaf.own), 0);
            self.trace_id(trace, leaf.trace_id)?;
        }
        let models = self.models.leaf(leaf_id);
        c.at(Column::SpanId);
        let mut own = match leaf.span_id {
            Some(slot) => self.span_id(c, trace, models, slot.into())?,
            None => Relative::default(),
        };
        c.at(Column::ParentId);
        let parent = match leaf.parent_id {
            Some(slot) => Some(self.parent_id(c, trace, models, own.has_children, slot.into())?),
            None => None,
        };
        self.times(c, trace, models, &leaf, &own, parent)?;
        let (start, end) = (self.start, self.end);
        let trace_state = self.buffers.traces.get(trace);
        trace_state.start = start;
        trace_state.end = end;
        if let Some(parent) = parent {
            parent.resolve(trace_state).add_child(start, end);
        }
        if leaf.span_id.is_some() {
            own.known = true;
            own.start = start;
            own.end = end;
            traces::push(&mut trace_state.seen, own);
        }
        self.rest(c, trace, leaf_id, &leaf)?;
        Ok(Coded {
            group,
            leaf: leaf_id,
            text: (0, 0),
        })
    }

    /// The index of the span's trace.
    fn trace<C: Coder>(&mut self, c: &mut C, slot: Option<u16>) -> Outcome<usize> {
        let at = self.models.leaf(self.leaf);
        let model = ensure_model!(self.models, leaves[at].trace);
        let (mut symbol, mut id, mut index, mut rank) = (trace::NONE, 0, 0, 0);
        if C::ENCODES
            && let Some(slot) = slot
        {
            id = self.wide(self.buffers.values[usize::from(slot)]);
            symbol = trace::NEW;
            if self.buffers.traces.is_latest(id) {
                symbol = 0;
            } else if let Some(known) = self.book.find_trace(id) {
                index = known;
                rank = self.buffers.traces.rank(index).unwrap_or(FARTHEST);
                symbol = if rank < trace::RANKS {
                    rank
                } else if rank < FARTHEST {
                    trace::RANK
                } else {
                    trace::FAR
                };
            }
        }
        let symbol = c.symbol(&mut self.models.symbols[model], symbol);
        match symbol {
            trace::NONE => return Ok(0),
            trace::NEW => {
                let id = self.new_trace_id(c, id)?;
                let index = self.buffers.traces.add(id);
                if C::ENCODES {
                    self.book.new_trace(id, index);
                }
                return Ok(index);
            }
            trace::FAR => {
                let latest = self.buffers.traces.len() - 1;
                let back = self.far(c, latest.wrapping_sub(index) as u64)?;
                let index = latest
                    .checked_sub(back as usize)
                    .filter(|index| *index > 0)
                    .ok_or(DecodeError::Corrupt("a trace that was not there"))?;
                self.buffers.traces.touch(index);
                return Ok(index);
            }
            trace::RANK => rank = self.far(c, rank as u64)? as usize,
            near => rank = near,
        }
        let known = self.buffers.traces.take_rank(rank);
        Ok(known.ok_or(DecodeError::Corrupt("a trace that was not there"))?)
    }

    fn far<C: Coder>(&mut self, c: &mut C, value: u64) -> Outcome<u64> {
        let place = self.models.number_place(self.models.common.far);
        self.models.common.far = place;
        self.models.number(c, place, value)
    }

    /// A trace id among the values.
    fn wide(&self, value: u64) -> u128 {
        let at = (value >> 32) as usize;
        self.input[at..]
            .first_chunk()
            .map_or(0, |bytes| u128::from_le_bytes(*bytes))
    }

    /// Decoders: puts the trace's id into its slot.
    fn trace_id(&mut self, trace: usize, slot: Option<u16>) -> Outcome<()> {
        match slot {
            Some(slot) if trace > 0 => {
                let id = self.buffers.traces.get(trace).id;
                self.put_wide(slot.into(), id);
                Ok(())
            }
            None if trace == 0 => Ok(()),
            _ => Err(DecodeError::Corrupt("a trace id where there is none").into()),
        }
    }

    fn put_wide(&mut self, slot: usize, id: u128) {
        let scratch = &mut self.buffers.scratch;
        self.buffers.values[slot] = ((scratch.len() as u64) << 32) | 16;
        scratch.extend_from_slice(&id.to_le_bytes());
    }

    /// Which group the span is in, if there are several.
    fn group<C: Coder>(&mut self, c: &mut C, leaf_id: u16, group: usize) -> Outcome<usize> {
        const EXPECTED: usize = 0;
        const SAME: usize = 1;
        const OTHER: usize = 2;
        let models = self.models.leaf(leaf_id);
        let mut chosen = if self.buffers.groups.is_one() {
            0
        } else {
            let shell = self.models.leaves[models].shell;
            let expected = self.buffers.groups.expected(shell);
            let symbol = if expected == Some(group) {
                EXPECTED
            } else if self.group == group {
                SAME
            } else {
                OTHER
            };
            let model = ensure_model!(self.models, leaves[models].group);
            match c.symbol(&mut self.models.symbols[model], symbol) {
                EXPECTED => expected.unwrap_or(usize::MAX),
                SAME => self.group,
                _ => self.count(c, group)?,
            }
        };
        let shell = self.buffers.groups.take(chosen);
        let shell = shell.ok_or(DecodeError::Corrupt("a span in no group"))?;
        self.models.leaves[models].shell = shell;
        core::mem::swap(&mut self.group, &mut chosen);
        Ok(self.group)
    }

    /// The span's own id: what its children told, if they named it.
    fn span_id<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        models: usize,
        slot: usize,
    ) -> Outcome<Relative> {
        let pending = &self.buffers.traces.get(trace).pending;
        let count = pending.len();
        let own = self.buffers.values[slot];
        let pending = &self.buffers.traces.get(trace).pending;
        let rank = if C::ENCODES {
            pending.iter().rev().position(|relative| relative.id == own)
        } else {
            None
        };
        let symbol = rank.map_or(id::NEW, |rank| rank.min(id::RANK));
        let model = ensure_model!(self.models, leaves[models].id);
        let symbol = c.symbol(&mut self.models.symbols[model], symbol);
        let rank = match symbol {
            0..id::RANKS => symbol,
            id::RANK => self.far(c, rank.unwrap_or(0) as u64)? as usize,
            _ => {
                let own = self.new_span_id(c, super::ids::OWN, trace, own)?;
                self.buffers.values[slot] = own;
                return Ok(Relative {
                    id: own,
                    ..Relative::default()
                });
            }
        };
        let at = count
            .checked_sub(rank.saturating_add(1))
            .ok_or(DecodeError::Corrupt("an id that was not there"))?;
        let relative = self.buffers.traces.get(trace).pending.remove(at);
        self.buffers.values[slot] = relative.id;
        Ok(relative)
    }

    /// The parent's id, and where its relative is: the last of one of the two lists.
    fn parent_id<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        models: usize,
        has_children: bool,
        slot: usize,
    ) -> Outcome<Parent> {
        let wanted = self.buffers.values[slot];
        let state = self.buffers.traces.get(trace);
        let (mut symbol, mut rank) = (parent::NEW, 0);
        if C::ENCODES {
            let find = |list: &[Relative]| list.iter().rev().position(|held| held.id == wanted);
            if let Some(at) = find(&state.pending) {
                rank = at;
                symbol = at.min(parent::PENDING_RANK);
            } else if let Some(at) = find(&state.seen) {
                rank = at;
                symbol = (parent::PENDING_RANK + 1 + at).min(parent::SEEN_RANK);
            }
        }
        let model = ensure_model!(
            self.models,
            leaves[models].parent[usize::from(has_children)]
        );
        let symbol = c.symbol(&mut self.models.symbols[model], symbol);
        let pending = match symbol {
            0..parent::PENDING => {
                rank = symbol;
                true
            }
            parent::PENDING_RANK => {
                rank = self.far(c, rank as u64)? as usize;
                true
            }
            8..parent::SEEN => {
                rank = symbol - parent::PENDING_RANK - 1;
                false
            }
            parent::SEEN_RANK => {
                rank = self.far(c, rank as u64)? as usize;
                false
            }
            _ => {
                let id = self.new_span_id(c, super::ids::PARENT, trace, wanted)?;
                self.buffers.values[slot] = id;
                let new = Relative {
                    id,
                    ..Relative::default()
                };
                traces::push(&mut self.buffers.traces.get(trace).pending, new);
                return Ok(Parent::Pending);
            }
        };
        let state = self.buffers.traces.get(trace);
        let list = if pending {
            &mut state.pending
        } else {
            &mut state.seen
        };
        let at = list
            .len()
            .checked_sub(rank.saturating_add(1))
            .ok_or(DecodeError::Corrupt("a parent that was not there"))?;
        if rank > 0 {
            let relative = list.remove(at);
            list.push(relative);
        }
        let id = list.last().map_or(0, |relative| relative.id);
        self.buffers.values[slot] = id;
        Ok(if pending {
            Parent::Pending
        } else {
            Parent::Seen
        })
    }

    /// The slots without a rule of their own.
    fn rest<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        leaf_id: u16,
        leaf: &LeafHead,
    ) -> Outcome<()> {
        let first = self.models.template(leaf.template_id, leaf.slots.into());
        let mut event = self.start;
        // One at a time, since the entries change meanwhile.
        for at in 0.. {
            let Some(&(own, slot, kind)) = self.book.dict().leaf(leaf_id)?.rest.get(at) else {
                break;
            };
            let (own, slot) = (usize::from(own), usize::from(slot));
            let models = first.map_or(0, |first| first + slot);
            c.at(Column::Slot(leaf.template_id, slot as u16));
            let value = self.buffers.values[own];
            self.buffers.values[own] = match kind {
                Slot::Varint(_) | Slot::Fixed32 => self.integer(c, trace, models, value)?,
                Slot::Fixed64 => self.double(c, trace, models, value)?,
                Slot::Bytes(_) => self.string(c, trace, models, (leaf.template_id, slot), value)?,
                Slot::EventTime | Slot::Start | Slot::End => {
                    event = self.event_time(c, models, event, value)?;
                    event
                }
                Slot::SpanId | Slot::ParentId | Slot::LinkSpanId => c.bits(value, 64)?,
                Slot::TraceId | Slot::LinkTraceId => {
                    let id = if C::ENCODES { self.wide(value) } else { 0 };
                    let low = c.bits(id as u64, 64)?;
                    let high = c.bits((id >> 64) as u64, 64)?;
                    if !C::ENCODES {
                        self.put_wide(own, u128::from(low) | (u128::from(high) << 64));
                    }
                    self.buffers.values[own]
                }
            };
        }
        Ok(())
    }
}

/// Where a span's parent is: the last of the pending or of the seen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Parent {
    Pending,
    Seen,
}

impl Parent {
    /// A parent that the list has is never missing: it was found or put there just now.
    pub(super) fn resolve(self, trace: &mut traces::Trace) -> &mut Relative {
        let list = match self {
            Self::Pending => &mut trace.pending,
            Self::Seen => &mut trace.seen,
        };
        if list.is_empty() {
            list.push(Relative::default());
        }
        let last = list.len() - 1;
        &mut list[last]
    }
}
