//! The tables of the vector filter.
//!
//! The literals are dealt into eight buckets, one bit each. For each of the first bytes, two tables of
//! sixteen say for its low and its high nibble which buckets have a literal with such a byte there. A
//! position is left if some bucket's bit is set in all of them.

use super::table::{MAX_PREFIX, Table};

const BUCKETS: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct Fingerprints {
    /// For each byte, by low and by high nibble.
    pub(super) nibbles: [[[u8; 16]; 2]; MAX_PREFIX],
    /// Set in each byte of the text before it is looked up.
    pub(super) fold: u8,
}

impl Fingerprints {
    pub(super) fn new(table: &Table) -> Self {
        let mut prefixes: Vec<Vec<u8>> = table
            .literals()
            .map(|literal| {
                let bytes = literal.iter().take(table.prefix);
                bytes.map(|byte| byte | table.fold).collect()
            })
            .collect();
        // Neighbours share their first bytes, so that a bucket of neighbours admits few combinations.
        prefixes.sort_unstable();
        prefixes.dedup();

        let mut nibbles = [[[0; 16]; 2]; MAX_PREFIX];
        // Bytes that the shortest literal lacks say nothing.
        nibbles[table.prefix..]
            .as_flattened_mut()
            .fill([u8::MAX; 16]);
        let share = prefixes.len().div_ceil(BUCKETS).max(1);
        for (bucket, prefixes) in prefixes.chunks(share).enumerate() {
            for (at, byte) in prefixes.iter().flat_map(|prefix| prefix.iter().enumerate()) {
                let [low, high] = &mut nibbles[at];
                low[usize::from(byte & 15)] |= 1 << bucket;
                high[usize::from(byte >> 4)] |= 1 << bucket;
            }
        }
        Self {
            nibbles,
            fold: table.fold,
        }
    }
}
