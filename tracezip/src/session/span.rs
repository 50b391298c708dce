//! A span: its trace, its leaf, its group, its ids, and what is its own.

use super::step::Standing;
use super::{Book, NO_LEAF, Session};
use crate::coder::{Coder, Column};
use crate::dict::LeafHead;
use crate::error::{DecodeError, Outcome};
use crate::models::ensure_model;
use crate::shape::Slot;
use crate::traces::{self, FARTHEST, Named};

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

/// What a decoded or encoded span is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coded {
    pub(crate) group: usize,
    /// No leaf if the span is text of this length at this place of the scratch.
    pub(crate) leaf: u16,
    pub(crate) text: (usize, usize),
}

impl<B: Book> Session<'_, B> {
    /// Codes a span. Encoders give its leaf and group, its values, and its bytes if it has no leaf. Decoders give room
    /// for the values of any template.
    pub(crate) fn span<C: Coder>(
        &mut self,
        c: &mut C,
        leaf_id: u16,
        group: usize,
        odd: &[u8],
        values: &mut [u64],
    ) -> Outcome<Coded> {
        let (mut leaf, mut trace_id, mut ids) = (LeafHead::default(), None, (None, None));
        if C::ENCODES && leaf_id != NO_LEAF {
            leaf = self.book.dict().leaf(leaf_id)?.head;
            trace_id = leaf.trace_id.map(|slot| values[usize::from(slot)]);
            ids.0 = leaf.span_id.map(|slot| values[usize::from(slot)]);
            ids.1 = leaf.parent_id.map(|slot| values[usize::from(slot)]);
        }
        c.at(Column::Trace);
        let trace = self.trace(c, trace_id)?;
        let standing = if C::ENCODES {
            self.standing(trace, leaf_id, group, ids)
        } else {
            Standing::default()
        };
        c.at(Column::Leaf);
        let before = self.buffers.traces.get(trace).leaf;
        let (leaf_id, tie) = self.step(c, before, leaf_id, standing.tie)?;
        c.at(Column::Group);
        let models = self.models.leaf(leaf_id);
        let group = self.group(c, models, tie.group(), group)?;
        self.before = models;
        if leaf_id == NO_LEAF {
            self.buffers.traces.get(trace).leaf = leaf_id;
            c.at(Column::Odd);
            let text = self.long_text(c, odd)?;
            return Ok(Coded {
                group,
                leaf: NO_LEAF,
                text,
            });
        }
        if !C::ENCODES {
            leaf = self.book.dict().leaf(leaf_id)?.head;
            // What is not charged by its own length has a length that the template knows.
            self.spend(leaf.min_len as usize)?;
            self.trace_id(trace, leaf.trace_id, values)?;
        }
        c.at(Column::SpanId);
        let mut own = Named { id: 0, at: 0 };
        if let Some(slot) = leaf.span_id {
            let id = ids.0.unwrap_or_default();
            own = self.span_id(c, trace, tie.id(), standing.id_rank, id)?;
            values[usize::from(slot)] = own.id;
        }
        c.at(Column::ParentId);
        let mut parent = 0;
        if let Some(slot) = leaf.parent_id {
            let id = ids.1.unwrap_or_default();
            let named = self.parent_id(c, trace, tie.parent(), standing.parent_rank, id)?;
            values[usize::from(slot)] = named.id;
            parent = named.at;
        }
        self.times(c, trace, models, &leaf, (own.at, parent), values)?;
        let (start, end) = (self.start, self.end);
        let traces = &mut self.buffers.traces;
        if parent != 0 {
            traces.relatives.get(parent).add_child(start, end);
        }
        if leaf.span_id.is_some() {
            let relative = traces.relatives.get(own.at);
            relative.known = true;
            relative.start = start;
        }
        let (state, relatives) = traces.parts(trace);
        state.leaf = leaf_id;
        state.end = end;
        if leaf.span_id.is_some() {
            traces::push(&mut state.seen, own, &mut relatives.free);
        }
        if leaf.rest > 0 {
            self.rest(c, trace, leaf_id, &leaf, values)?;
        }
        Ok(Coded {
            group,
            leaf: leaf_id,
            text: (0, 0),
        })
    }

    /// The index of the span's trace.
    fn trace<C: Coder>(&mut self, c: &mut C, id_at: Option<u64>) -> Outcome<usize> {
        let model = ensure_model!(self.models, leaves[self.before].trace);
        let (mut symbol, mut id, mut index, mut rank) = (trace::NONE, 0, 0, 0);
        if C::ENCODES
            && let Some(id_at) = id_at
        {
            id = self.wide(id_at);
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

    pub(super) fn far<C: Coder>(&mut self, c: &mut C, value: u64) -> Outcome<u64> {
        let place = self.models.symbol_place(self.models.common.far);
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
    fn trace_id(&mut self, trace: usize, slot: Option<u16>, values: &mut [u64]) -> Outcome<()> {
        match slot {
            Some(slot) if trace > 0 => {
                let id = self.buffers.traces.get(trace).id;
                values[usize::from(slot)] = self.put_wide(id);
                Ok(())
            }
            None if trace == 0 => Ok(()),
            _ => Err(DecodeError::Corrupt("a trace id where there is none").into()),
        }
    }

    /// The value of a slot that holds a trace id.
    fn put_wide(&mut self, id: u128) -> u64 {
        let scratch = &mut self.buffers.scratch;
        let value = ((scratch.len() as u64) << 32) | 16;
        scratch.extend_from_slice(&id.to_le_bytes());
        value
    }

    /// The slots without a rule of their own.
    fn rest<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        leaf_id: u16,
        leaf: &LeafHead,
        values: &mut [u64],
    ) -> Outcome<()> {
        let first = self.models.template(leaf.template_id, leaf.slots.into());
        let mut event = self.start;
        // One at a time, since the entries change meanwhile.
        for at in 0..usize::from(leaf.rest) {
            let (own, slot, kind) = self.book.dict().leaf(leaf_id)?.rest[at];
            let (own, slot) = (usize::from(own), usize::from(slot));
            let models = first.map_or(0, |first| first + slot);
            c.at(Column::Slot(leaf.template_id, slot as u16));
            let value = values[own];
            values[own] = match kind {
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
                    if C::ENCODES {
                        value
                    } else {
                        self.put_wide(u128::from(low) | (u128::from(high) << 64))
                    }
                }
            };
        }
        Ok(())
    }
}
