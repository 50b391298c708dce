//! Looks every position up.

use super::table::WINDOW;
use super::{Hits, Match};

/// Looks at the positions from `from` on.
pub(super) fn scan<F: FnMut(Match)>(from: usize, hits: &mut Hits<'_, F>) {
    let (table, arena) = (hits.table, hits.arena);
    let whole = arena.len().saturating_sub(WINDOW - 1).max(from);
    for (at, window) in arena[from..].windows(WINDOW).enumerate() {
        if window
            .first_chunk()
            .is_some_and(|window| table.may_begin(window))
        {
            hits.check(from + at);
        }
    }
    // Too near to the end for a whole window.
    for start in whole..arena.len() {
        hits.check(start);
    }
}
