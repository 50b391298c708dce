//! The order in which spans are coded.

use super::matches::Matches;
use crate::envelope::{Envelope, Item};

/// Groups among which the spans are ordered by their ends.
const MOST_ORDERED: usize = 64;

/// What comes next of a group. The earliest comes first; of those that end together, that of the first group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    end: u64,
    group: u32,
    span: u32,
    last: u32,
}

/// Group and span of each: by their ends as far as that does not change the order in a group, since what ends together
/// belongs together.
pub(super) fn order(envelope: &Envelope, matches: &Matches, order: &mut Vec<(u32, u32)>) {
    order.clear();
    let scopes = envelope.items.iter().filter_map(|item| match item {
        Item::Raw(_) => None,
        Item::Resource(shell) => Some(&envelope.scopes[shell.inner.clone()]),
    });
    let scopes = scopes.flatten().zip(0..);
    let groups = scopes.filter(|(scope, _)| !scope.inner.is_empty());
    let mut groups: Vec<_> = groups
        .map(|(scope, group)| Next {
            end: matches.get(scope.inner.start as u32).end,
            group,
            span: scope.inner.start as u32,
            last: scope.inner.end as u32,
        })
        .collect();
    if groups.len() <= MOST_ORDERED {
        groups.sort_unstable();
    }
    let mut first = 0;
    while let Some(&next) = groups.get(first) {
        order.push((next.group, next.span));
        let span = next.span + 1;
        if span == next.last {
            first += 1;
            continue;
        }
        let end = matches.get(span).end;
        groups[first] = Next { end, span, ..next };
        if groups.len() > MOST_ORDERED {
            continue;
        }
        // To where it belongs, mostly not far from where it was.
        let mut at = first;
        while at + 1 < groups.len() && groups[at + 1] < groups[at] {
            groups.swap(at, at + 1);
            at += 1;
        }
    }
}
