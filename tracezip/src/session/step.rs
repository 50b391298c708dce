//! What a span is to those before it: its leaf, its group, its id and its parent's.

use super::{Book, NO_LEAF, Session};
use crate::coder::{Coder, Column};
use crate::dict::Kind;
use crate::error::{DecodeError, Outcome};
use crate::models::{NOT_RECENT, Tie, ensure_model};
use crate::traces::{self, Named};

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

/// Symbols of the group a span is in.
mod group {
    pub(super) const EXPECTED: usize = 0;
    pub(super) const SAME: usize = 1;
    pub(super) const OTHER: usize = 2;
}

/// How a span stands to those before it: encoders know the ranks too.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    pub(super) tie: Tie,
    pub(super) id_rank: usize,
    pub(super) parent_rank: usize,
}

impl<B: Book> Session<'_, B> {
    /// Encoders: how a span stands to those before it.
    #[inline]
    pub(super) fn standing(
        &self,
        trace: usize,
        leaf_id: u16,
        group: usize,
        (own, parent): (Option<u64>, Option<u64>),
    ) -> Standing {
        let mut standing = Standing::default();
        let group = if self.buffers.groups.is_one() {
            0
        } else {
            // A leaf without models gets them when it has been coded: nothing is expected of it yet.
            let models = self.models.leaves.get(usize::from(leaf_id));
            let expected = models.and_then(|models| self.buffers.groups.expected(models.shell));
            if expected == Some(group) {
                group::EXPECTED
            } else if self.group == group {
                group::SAME
            } else {
                group::OTHER
            }
        };
        let state = self.buffers.traces.at(trace);
        let (mut id, mut taken) = (0, usize::MAX);
        if let Some(own) = own {
            id = id::NEW;
            if let Some(rank) = traces::rank(&state.pending, own) {
                (taken, standing.id_rank) = (rank, rank);
                id = rank.min(id::RANK);
            }
        }
        let mut symbol = 0;
        if let Some(wanted) = parent {
            symbol = parent::NEW;
            let pending = traces::rank(&state.pending, wanted).filter(|rank| *rank != taken);
            if let Some(mut rank) = pending {
                // As it will be without the span's own.
                rank -= usize::from(rank > taken);
                standing.parent_rank = rank;
                symbol = rank.min(parent::PENDING_RANK);
            } else if let Some(rank) = traces::rank(&state.seen, wanted) {
                standing.parent_rank = rank;
                symbol = (parent::PENDING_RANK + 1 + rank).min(parent::SEEN_RANK);
            }
        }
        standing.tie = Tie::new(group, id, symbol);
        standing
    }

    /// The span's leaf and how it stands, by what came before in the trace.
    pub(super) fn step<C: Coder>(
        &mut self,
        c: &mut C,
        before: u16,
        leaf_id: u16,
        tie: Tie,
    ) -> Outcome<(u16, Tie)> {
        let (at, place) = if before == NO_LEAF {
            (None, self.models.common.first)
        } else {
            let at = self.models.leaf(before);
            (Some(at), self.models.leaves[at].next)
        };
        let place = self.models.steps_place(place);
        match at {
            Some(at) => self.models.leaves[at].next = place,
            None => self.models.common.first = place,
        }
        let steps = &mut self.models.steps[usize::from(place)];
        let symbol = if C::ENCODES {
            steps.find(leaf_id, tie)
        } else {
            0
        };
        let symbol = c.symbol(&mut steps.model, symbol);
        if symbol != NOT_RECENT {
            let known = steps.get(symbol);
            return Ok(known.ok_or(DecodeError::Corrupt("a leaf that was not there"))?);
        }
        let (leaf_id, tie) = self.new_step(c, at, leaf_id, tie)?;
        self.models.steps[usize::from(place)].insert(leaf_id, tie);
        Ok((leaf_id, tie))
    }

    /// The same one by one.
    #[inline(never)]
    fn new_step<C: Coder>(
        &mut self,
        c: &mut C,
        before: Option<usize>,
        leaf_id: u16,
        tie: Tie,
    ) -> Outcome<(u16, Tie)> {
        let place = match before {
            Some(at) => {
                let place = self.models.recent_place(self.models.leaves[at].next_leaf);
                self.models.leaves[at].next_leaf = place;
                place
            }
            None => {
                let place = self.models.recent_place(self.models.common.first_leaf);
                self.models.common.first_leaf = place;
                place
            }
        };
        let leaf_id = self.entry(c, place, Kind::Leaf, leaf_id)?;
        let at = self.models.leaf(leaf_id);
        let (mut group, mut id, mut parent) = (0, 0, 0);
        if !self.buffers.groups.is_one() {
            c.at(Column::Group);
            let model = ensure_model!(self.models, leaves[at].group);
            group = c.symbol(&mut self.models.symbols[model], tie.group());
        }
        if leaf_id != NO_LEAF {
            let head = &self.book.dict().leaf(leaf_id)?.head;
            let (has_id, has_parent) = (head.span_id.is_some(), head.parent_id.is_some());
            if has_id {
                c.at(Column::SpanId);
                let model = ensure_model!(self.models, leaves[at].id);
                id = c.symbol(&mut self.models.symbols[model], tie.id());
            }
            if has_parent {
                c.at(Column::ParentId);
                let of = usize::from(has_id && id <= id::RANK);
                let model = ensure_model!(self.models, leaves[at].parent[of]);
                parent = c.symbol(&mut self.models.symbols[model], tie.parent());
            }
        }
        Ok((leaf_id, Tie::new(group, id, parent)))
    }

    /// Which group the span is in.
    pub(super) fn group<C: Coder>(
        &mut self,
        c: &mut C,
        models: usize,
        symbol: usize,
        group: usize,
    ) -> Outcome<usize> {
        let chosen = if self.buffers.groups.is_one() {
            0
        } else if C::ENCODES && symbol != group::OTHER {
            group
        } else {
            match symbol {
                group::EXPECTED => {
                    let shell = self.models.leaves[models].shell;
                    let expected = self.buffers.groups.expected(shell);
                    expected.unwrap_or(usize::MAX)
                }
                group::SAME => self.group,
                _ => self.count(c, group)?,
            }
        };
        let shell = self.buffers.groups.take(chosen);
        let shell = shell.ok_or(DecodeError::Corrupt("a span in no group"))?;
        self.models.leaves[models].shell = shell;
        self.group = chosen;
        Ok(chosen)
    }

    /// The span's own id: what its children told, if they named it.
    pub(super) fn span_id<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        symbol: usize,
        rank: usize,
        own: u64,
    ) -> Outcome<Named> {
        let rank = match symbol {
            0..id::RANKS => symbol,
            id::RANK => self.far(c, rank as u64)? as usize,
            _ => {
                let id = self.new_span_id(c, super::ids::OWN, trace, own)?;
                let at = self.buffers.traces.relatives.add();
                return Ok(Named { id, at });
            }
        };
        let pending = &mut self.buffers.traces.get(trace).pending;
        let at = pending
            .len()
            .checked_sub(rank.saturating_add(1))
            .ok_or(DecodeError::Corrupt("an id that was not there"))?;
        Ok(pending.remove(at))
    }

    /// The parent's id; its relative is the last of one of the two lists from now on.
    pub(super) fn parent_id<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        symbol: usize,
        rank: usize,
        parent: u64,
    ) -> Outcome<Named> {
        let (pending, rank) = match symbol {
            0..parent::PENDING => (true, symbol),
            parent::PENDING_RANK => (true, self.far(c, rank as u64)? as usize),
            8..parent::SEEN => (false, symbol - parent::PENDING_RANK - 1),
            parent::SEEN_RANK => (false, self.far(c, rank as u64)? as usize),
            _ => {
                let id = self.new_span_id(c, super::ids::PARENT, trace, parent)?;
                let (state, relatives) = self.buffers.traces.parts(trace);
                let at = relatives.add();
                let named = Named { id, at };
                traces::push(&mut state.pending, named, &mut relatives.free);
                return Ok(named);
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
            list[at..].rotate_left(1);
        }
        Ok(list[list.len() - 1])
    }
}
