//! What the spans of a request are, before any of them is coded: the leaf and the values of each.
//!
//! All spans of a scope in turn, since they are more alike than those that end after each other, and since what this
//! takes, code and data, is another than what coding takes.

use super::Encoder;
use crate::envelope::Item;
use crate::session::{Book, NO_LEAF};
use crate::shape::peek_end;

/// Values that are kept for the next request.
const MOST_KEPT: usize = 128 * 1024;

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
}

impl Matches {
    fn reset(&mut self, spans: usize) {
        self.spans.clear();
        self.spans.resize(spans, Match::default());
        if self.values.len() > MOST_KEPT {
            self.values = Vec::new();
        }
    }

    #[inline]
    pub(super) fn get(&self, span: u32) -> Match {
        self.spans.get(span as usize).copied().unwrap_or_default()
    }

    #[inline]
    pub(super) fn values(&self, span: Match) -> &[u64] {
        let first = span.first as usize;
        &self.values[first..first + usize::from(span.len)]
    }
}

impl Encoder {
    /// Finds what the spans are. Says whether one is nothing that we know.
    pub(super) fn find_leaves(&mut self, request: &[u8]) -> bool {
        self.matches.reset(self.envelope.spans.len());
        let mut first = 0;
        let mut is_odd = false;
        let resources = self.envelope.items.iter().filter_map(|item| match item {
            Item::Raw(_) => None,
            Item::Resource(shell) => Some(shell.inner.clone()),
        });
        for scope in resources.flat_map(|scopes| &self.envelope.scopes[scopes]) {
            let mut before = NO_LEAF;
            for span in scope.inner.clone() {
                let (start, end) = self.envelope.spans[span];
                let place = (request, start as usize, end as usize);
                let values = &mut self.matches.values;
                let mut found = Match {
                    leaf: NO_LEAF,
                    first: first as u32,
                    ..Match::default()
                };
                if let Some(leaf) = self.guesser.find(&self.book, before, place, values, first) {
                    found.leaf = leaf;
                } else if self.parsed.span(place.0, place.1, place.2)
                    && let Some(leaf) = self.planner.leaf(&mut self.book, &self.parsed, request)
                {
                    found.leaf = leaf;
                    values.truncate(first);
                    if let Ok(leaf) = self.book.dict().leaf(leaf) {
                        let parsed = &self.parsed.values;
                        values.extend(leaf.own.iter().map(|&slot| parsed[usize::from(slot)]));
                    }
                    self.guesser.learn(before, leaf, place);
                }
                before = found.leaf;
                match self.book.dict().leaf(found.leaf) {
                    Ok(leaf) => {
                        found.len = leaf.head.own;
                        let slot = leaf.head.end.map(usize::from);
                        found.end = slot.map_or(0, |slot| values[first + slot]);
                        self.planner.count(leaf.head.template_id);
                    }
                    Err(_) => {
                        is_odd = true;
                        found.end = peek_end(&request[place.1..place.2]);
                    }
                }
                first += usize::from(found.len);
                self.matches.spans[span] = found;
            }
        }
        is_odd
    }
}
