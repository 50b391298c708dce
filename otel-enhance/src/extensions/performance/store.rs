//! What the chunks of a queue keep their items in.

use std::collections::VecDeque;
use std::fmt;

use super::weight::Weigh;
use crate::fetch;

/// Items in the order in which they came.
pub(crate) trait Store: Default + Send + fmt::Debug + 'static {
    /// What is put in.
    type Item<'a>;

    /// The bytes that the queue counts for an item.
    fn weight(item: &Self::Item<'_>) -> usize;
    fn len(&self) -> usize;
    fn push(&mut self, item: Self::Item<'_>);
    /// The same with many items.
    #[inline(always)]
    fn push_all<'a>(&mut self, items: impl Iterator<Item = Self::Item<'a>>) {
        items.for_each(|item| self.push(item));
    }
    /// Moves the oldest item to `other`, and says what it weighs. It may be that `other` only counts it.
    fn move_oldest(&mut self, other: &mut Self) -> Option<usize>;
    /// Forgets all items, and keeps the memory for the next ones.
    fn clear(&mut self);
}

/// So many cache lines of a chunk are fetched behind a group. (To fetch what is not the chunk's is no error.)
const LINES_AHEAD: usize = 16;

impl<T: Weigh + Send + fmt::Debug + 'static> Store for VecDeque<T> {
    type Item<'a> = T;

    fn weight(item: &T) -> usize {
        item.weight()
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn push(&mut self, item: T) {
        self.push_back(item);
    }

    /// An item that is pushed alone is put down on the stack, in other pieces than it is moved in, for it might have to be
    /// dropped: that read waits for all stores before, to memory that is elsewhere.
    #[inline(always)]
    fn push_all<'a>(&mut self, items: impl Iterator<Item = Self::Item<'a>>) {
        self.extend(items);
        if let Some(last) = self.back() {
            // For the next group: whoever emptied the chunk had its memory last.
            fetch::lines_to_write(last, 1..LINES_AHEAD);
        }
    }

    fn move_oldest(&mut self, other: &mut Self) -> Option<usize> {
        let item = self.pop_front()?;
        let weight = item.weight();
        other.push_back(item);
        Some(weight)
    }

    fn clear(&mut self) {
        self.clear();
    }
}
