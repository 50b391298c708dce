//! Ids that were not named before: by a key and a counter, or as they are.

use std::sync::Arc;

use super::{Book, Session};
use crate::coder::Coder;
use crate::dict::Kind;
use crate::error::{DecodeError, Outcome};
use crate::ids::{BLOCK, IdPermutation};
use crate::models::{Blocks, KEYS};

/// An id as it is.
const RAW: usize = 0;

/// Whose id it is: each kind has a model of where ids come from.
pub(super) const OWN: usize = 0;
pub(super) const PARENT: usize = 1;
pub(super) const TRACE: usize = 2;

/// A block this much further than the latest is not believed to be one.
const FARTHEST_BLOCK: u64 = 1 << 20;

impl<B: Book> Session<'_, B> {
    /// The keys of the message.
    pub(crate) fn keys<C: Coder>(&mut self, c: &mut C, ids: &[u16]) -> Outcome<()> {
        let count = self.count(c, ids.len())?;
        if count > KEYS {
            return Err(DecodeError::Corrupt("too many keys").into());
        }
        self.keys.clear();
        for at in 0..count {
            let place = self.models.recent_place(self.models.common.key);
            self.models.common.key = place;
            let id = ids.get(at).copied().unwrap_or_default();
            let id = self.entry(c, place, Kind::Key, id)?;
            self.keys.push(Arc::clone(self.book.dict().key(id)?));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn new_span_id<C: Coder>(
        &mut self,
        c: &mut C,
        whose: usize,
        trace: usize,
        id: u64,
    ) -> Outcome<u64> {
        if self.keys.is_empty() {
            return c.bits(id, 64);
        }
        self.span_id_by_key(c, whose, trace, id)
    }

    fn span_id_by_key<C: Coder>(
        &mut self,
        c: &mut C,
        whose: usize,
        trace: usize,
        id: u64,
    ) -> Outcome<u64> {
        let mut counter = 0;
        let source = if C::ENCODES {
            self.find_key(|key, blocks| {
                counter = key.span_counter(id.to_le_bytes());
                key.is_fleet() || blocks[0].is_near(counter / BLOCK)
            })
        } else {
            RAW
        };
        let source = self.source(c, whose, source);
        if source == RAW {
            return c.bits(id, 64);
        }
        self.key(source)?;
        // A trace's spans of a process mostly come from one thread.
        let held = self.buffers.traces.get(trace).block;
        let counter = self.counter(c, source - 1, whose, held, counter)?;
        self.buffers.traces.get(trace).block = counter / BLOCK;
        if C::ENCODES {
            return Ok(id);
        }
        Ok(u64::from_le_bytes(self.key(source)?.span_id(counter)))
    }

    pub(super) fn new_trace_id<C: Coder>(&mut self, c: &mut C, id: u128) -> Outcome<u128> {
        let (mut nonce, mut counter) = (0, 0);
        let source = if C::ENCODES {
            self.find_key(|key, blocks| {
                (nonce, counter) = key.trace_counter(id.to_le_bytes());
                key.is_fleet() || blocks[1].is_near(counter / BLOCK)
            })
        } else {
            RAW
        };
        let source = self.source(c, TRACE, source);
        if source == RAW {
            let low = c.bits(id as u64, 64)?;
            let high = c.bits((id >> 64) as u64, 64)?;
            return Ok(u128::from(low) | (u128::from(high) << 64));
        }
        self.key(source)?;
        let nonce = self.nonce(c, source - 1, nonce)?;
        let counter = self.counter(c, source - 1, TRACE, u64::MAX, counter)?;
        if C::ENCODES {
            return Ok(id);
        }
        let id = self.key(source)?.trace_id(nonce, counter);
        Ok(u128::from_le_bytes(id))
    }

    fn key(&self, source: usize) -> Outcome<&Arc<IdPermutation>> {
        let key = self.keys.get(source - 1);
        Ok(key.ok_or(DecodeError::Corrupt("a key that is not there"))?)
    }

    /// The first key that seems to have made an id, plus one.
    fn find_key(&self, mut made: impl FnMut(&IdPermutation, &[Blocks; 2]) -> bool) -> usize {
        self.keys
            .iter()
            .zip(&self.models.blocks)
            .position(|(key, blocks)| made(key, blocks))
            .map_or(RAW, |at| at + 1)
    }

    fn source<C: Coder>(&mut self, c: &mut C, whose: usize, source: usize) -> usize {
        if self.keys.is_empty() {
            return RAW;
        }
        let place = self.models.symbol_place(self.models.common.sources[whose]);
        self.models.common.sources[whose] = place;
        c.symbol(&mut self.models.symbols[place as usize], source)
    }

    /// Which process of a fleet made the trace id.
    fn nonce<C: Coder>(&mut self, c: &mut C, key: usize, nonce: u64) -> Outcome<u64> {
        let nonces = &mut self.models.nonces[key];
        let at = nonces
            .iter()
            .position(|known| *known == nonce && nonce != 0);
        let rank = at.map_or(0, |at| at as u64 + 1);
        let place = self.models.symbol_place(self.models.common.nonce);
        self.models.common.nonce = place;
        let rank = self.models.number(c, place, rank)? as usize;
        let nonces = &mut self.models.nonces[key];
        let (nonce, from) = if rank == 0 {
            (c.bits(nonce, 64)?, nonces.len() - 1)
        } else {
            let nonce = nonces.get(rank - 1);
            let nonce = nonce.ok_or(DecodeError::Corrupt("a nonce that was not there"))?;
            (*nonce, rank - 1)
        };
        nonces.copy_within(..from, 1);
        nonces[0] = nonce;
        Ok(nonce)
    }

    /// A counter, by its block and by what came last in the block. One of the blocks may be the likeliest.
    fn counter<C: Coder>(
        &mut self,
        c: &mut C,
        key: usize,
        whose: usize,
        likeliest: u64,
        counter: u64,
    ) -> Outcome<u64> {
        const LIKELIEST: usize = 1;
        let (block, low) = (counter / BLOCK, counter % BLOCK);
        // Spans and parents share a counter.
        let of = usize::from(whose == TRACE);
        let blocks = &self.models.blocks[key][of];
        let rank = match blocks.rank(block) {
            0 => 0,
            _ if block == likeliest => LIKELIEST,
            rank => rank + 1,
        };
        let place = self.models.symbol_place(self.models.common.block[whose]);
        self.models.common.block[whose] = place;
        let rank = match self.models.number(c, place, rank as u64)? as usize {
            0 => 0,
            LIKELIEST => self.models.blocks[key][of].rank(likeliest).max(1),
            rank => rank - 1,
        };
        let (block, last) = if rank == 0 {
            let newest = self.models.blocks[key][of].newest;
            let place = self
                .models
                .symbol_place(self.models.common.new_block[whose]);
            self.models.common.new_block[whose] = place;
            let step = self.models.signed(c, place, block.wrapping_sub(newest))?;
            (newest.wrapping_add(step), 0)
        } else {
            self.models.blocks[key][of]
                .get(rank)
                .ok_or(DecodeError::Corrupt("a block that was not there"))?
        };
        let which = whose + if block == likeliest { 3 } else { 0 };
        let place = self.models.symbol_place(self.models.common.in_block[which]);
        self.models.common.in_block[which] = place;
        let step = self.models.signed(c, place, low.wrapping_sub(last))?;
        let low = last.wrapping_add(step);
        self.models.blocks[key][of].put(rank, block, low);
        Ok(block.wrapping_mul(BLOCK).wrapping_add(low))
    }
}

impl Blocks {
    /// Whether a block is among the latest, or near the newest.
    fn is_near(&self, block: u64) -> bool {
        self.rank(block) > 0
            || block.wrapping_sub(self.newest) as i64 as u64 <= FARTHEST_BLOCK
            || self.newest.wrapping_sub(block) <= FARTHEST_BLOCK
    }

    /// Where in the latest a block is, plus one; 0 if it is not.
    fn rank(&self, block: u64) -> usize {
        self.latest[..usize::from(self.len)]
            .iter()
            .position(|held| held.0 == block)
            .map_or(0, |at| at + 1)
    }

    fn get(&self, rank: usize) -> Option<(u64, u64)> {
        self.latest[..usize::from(self.len)].get(rank - 1).copied()
    }

    /// Puts the block of a rank first, or a new one.
    fn put(&mut self, rank: usize, block: u64, low: u64) {
        let from = if rank > 0 {
            rank - 1
        } else {
            self.newest = block;
            self.len = (self.len + 1).min(self.latest.len() as u8);
            usize::from(self.len) - 1
        };
        self.latest.copy_within(..from, 1);
        self.latest[0] = (block, low);
    }
}
