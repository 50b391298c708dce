//! What the spans of a request are, before any of them is coded: the leaf and the values of each.
//!
//! All spans of a scope in turn, since they are more alike than those that end after each other, and since what this
//! takes, code and data, is another than what coding takes.

use super::Encoder;
use crate::fetch::fetch;
use crate::session::{Book, NO_LEAF};
use crate::shape::{peek_end, peek_name};

/// Values that are kept for the next request.
const MOST_KEPT: usize = 128 * 1024;

/// Bytes that many spans have, for the room they get at first.
const LIKELY_LEN: usize = 256;

/// Bytes of the request that are asked for before they are needed: a span takes less time than memory takes to answer.
const AHEAD: usize = 4096;

/// A span.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Match {
    pub(super) leaf: u16,
    /// Where its values begin, and how many there are.
    first: u32,
    len: u16,
    /// When it ends, as far as can be told.
    pub(super) end: u64,
}

/// The spans of a request, in its order.
#[derive(Debug, Default)]
pub(super) struct Matches {
    spans: Vec<Match>,
    values: Vec<u64>,
    /// How many of these are of a span.
    used: usize,
}

impl Matches {
    fn reset(&mut self) {
        self.spans.clear();
        self.used = 0;
        if self.values.len() > MOST_KEPT {
            self.values = Vec::new();
        }
    }

    #[inline]
    pub(super) fn get(&self, span: u32) -> Match {
        self.spans.get(span as usize).copied().unwrap_or_default()
    }

    #[inline]
    pub(super) fn values(&mut self, span: Match) -> &mut [u64] {
        let first = span.first as usize;
        &mut self.values[first..first + usize::from(span.len)]
    }
}

impl Encoder {
    /// Takes the request apart and finds what the spans are: each as soon as it is found, so that the request is gone
    /// through from its beginning to its end once. Says whether one is nothing that we know.
    pub(super) fn find_leaves(&mut self, request: &[u8]) -> bool {
        self.matches.reset();
        let mut envelope = core::mem::take(&mut self.envelope);
        let (mut before, mut is_odd) = (NO_LEAF, false);
        let mut fetched = 0;
        self.matches.spans.reserve(request.len() / LIKELY_LEN);
        envelope.spans.reserve(request.len() / LIKELY_LEN);
        envelope.scan(request, &mut |spans, of_scope, start, end| {
            // Without those of a resource that turned out to be damaged.
            self.matches.spans.truncate(spans);
            if of_scope == 0 {
                before = NO_LEAF;
            }
            fetched = fetch(request, fetched, end + AHEAD);
            let found = self.find_leaf(before, (request, start, end));
            before = found.leaf;
            is_odd |= before == NO_LEAF;
            self.matches.spans.push(found);
        });
        self.matches.spans.truncate(envelope.spans.len());
        self.envelope = envelope;
        is_odd
    }

    #[inline(always)]
    fn find_leaf(&mut self, before: u16, place: (&[u8], usize, usize)) -> Match {
        let first = self.matches.used;
        let values = &mut self.matches.values;
        let mut found = Match {
            leaf: NO_LEAF,
            first: first as u32,
            ..Match::default()
        };
        if let Some(leaf) = self.guesser.find(&self.book, before, place, values, first) {
            found.leaf = leaf;
        } else {
            found.leaf = self.new_leaf(before, place);
        }
        match self.book.dict().leaf(found.leaf) {
            Ok(leaf) => {
                found.len = leaf.head.own;
                let slot = leaf.head.end.map(usize::from);
                found.end = slot.map_or(0, |slot| self.matches.values[first + slot]);
                self.planner.count(leaf.head.template_id);
            }
            Err(_) => found.end = peek_end(&place.0[place.1..place.2]),
        }
        self.matches.used += usize::from(found.len);
        found
    }

    /// The leaf of a span that is of none that was likely.
    #[inline(never)]
    fn new_leaf(&mut self, before: u16, place: (&[u8], usize, usize)) -> u16 {
        if !self.parsed.span(place.0, place.1, place.2) {
            return NO_LEAF;
        }
        let name = peek_name(&place.0[place.1..place.2]);
        let leaf = self
            .planner
            .leaf(&mut self.book, &self.parsed, place.0, name);
        let Some(id) = leaf else {
            return NO_LEAF;
        };
        if let Ok(leaf) = self.book.dict().leaf(id) {
            let values = &mut self.matches.values;
            values.truncate(self.matches.used);
            let parsed = &self.parsed.values;
            values.extend(leaf.own.iter().map(|&slot| parsed[usize::from(slot)]));
        }
        self.guesser.learn(before, id, place);
        id
    }
}
