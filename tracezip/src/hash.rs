//! The hash of messages and of entries: XXH3 of 64 bits, by the widest vectors that the processor has.

use twox_hash::XxHash3_64;

pub(crate) fn xxh3(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// One that an outsider cannot foresee.
pub(crate) fn xxh3_with_seed(bytes: &[u8], seed: u64) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

    proptest! {
        #[test]
        fn hash_of_any_bytes_is_that_of_another_implementation(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::collection::vec(any::<u8>(), 0..5000),
            ],
            seed in any::<u64>(),
        ) {
            prop_assert_eq!(xxh3(&bytes), xxh3_64(&bytes));
            prop_assert_eq!(xxh3_with_seed(&bytes, seed), xxh3_64_with_seed(&bytes, seed));
        }
    }
}
