//! The order in which spans are coded.

use core::hint::select_unpredictable;

use super::matches::Matches;
use crate::envelope::{Envelope, Item};

/// Groups that are all looked at for each span.
const FEW: usize = 12;
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
    if groups.len() <= FEW {
        return order_few(&mut groups, matches, order);
    }
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
        let next = Next { end, span, ..next };
        groups[first] = next;
        if groups.len() > MOST_ORDERED {
            continue;
        }
        // To where it belongs, mostly not far from where it was.
        let mut at = first;
        while at + 1 < groups.len() && groups[at + 1] < next {
            groups.swap(at, at + 1);
            at += 1;
        }
    }
}

/// Of few groups, all are looked at, for where the next one lands is not to be foreseen.
fn order_few(groups: &mut Vec<Next>, matches: &Matches, order: &mut Vec<(u32, u32)>) {
    let mut ends = [0; FEW];
    for (end, group) in ends.iter_mut().zip(&*groups) {
        *end = group.end;
    }
    while groups.len() > 1 {
        let (mut first, mut least) = (0, ends[0]);
        for (at, &end) in ends[..groups.len()].iter().enumerate().skip(1) {
            let is_less = end < least;
            first = select_unpredictable(is_less, at, first);
            least = select_unpredictable(is_less, end, least);
        }
        let next = &mut groups[first];
        order.push((next.group, next.span));
        next.span += 1;
        if next.span == next.last {
            groups.remove(first);
            ends.copy_within(first + 1.., first);
        } else {
            ends[first] = matches.get(next.span).end;
        }
    }
    if let Some(last) = groups.first() {
        order.extend((last.span..last.last).map(|span| (last.group, span)));
    }
}
