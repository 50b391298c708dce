//! A table whose entries are told apart by their value and referred to by their number.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub(crate) struct Table<T> {
    numbers: HashMap<T, u64>,
    entries: Vec<T>,
}

impl<T: Clone + Eq + Hash> Table<T> {
    /// A table whose entry 0 is this.
    pub(crate) fn new(first: T) -> Self {
        let mut table = Self {
            numbers: HashMap::new(),
            entries: Vec::new(),
        };
        table.number(first);
        table
    }

    /// The number of an entry, which is added if it is new.
    pub(crate) fn number(&mut self, entry: T) -> u64 {
        let next = self.entries.len() as u64;
        let Self { numbers, entries } = self;
        *numbers.entry(entry).or_insert_with_key(|entry| {
            entries.push(entry.clone());
            next
        })
    }

    pub(crate) fn entries(&self) -> &[T] {
        &self.entries
    }
}
