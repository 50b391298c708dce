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
    /// Moves the oldest item to `other`, and says what it weighs. It may be that `other` only counts it.
    fn move_oldest(&mut self, other: &mut Self) -> Option<usize>;
    /// Forgets all items, and keeps the memory for the next ones.
    fn clear(&mut self);
}

/// So many bytes before items are written there a chunk's memory is fetched. (To fetch what is not the chunk's is no error.)
const AHEAD: usize = 512;

impl<T: Weigh + Send + fmt::Debug + 'static> Store for VecDeque<T> {
    type Item<'a> = T;

    fn weight(item: &T) -> usize {
        item.weight()
    }

    fn len(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn push(&mut self, item: T) {
        if let Some(last) = self.back() {
            // Whoever emptied the chunk had its memory last.
            fetch::to_write(std::ptr::from_ref(last).wrapping_add(AHEAD / size_of::<T>().max(1)));
        }
        self.push_back(item);
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
