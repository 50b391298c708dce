//! Plain loops.

/// Bytes of a varint: one more for each 7 significant bits after the first. `(9 × bits + 64) / 64` is
/// `bits / 7` rounded up, for 1 to 64 bits.
#[inline(always)]
pub(super) fn total_len(values: &[u64]) -> usize {
    let len = |value: &u64| (9 * (64 - (value | 1).leading_zeros()) + 64) / 64;
    values.iter().map(|value| len(value) as usize).sum()
}

/// Compares with each power of 2^7: the compiler turns the loop into baseline vector instructions, which
/// know no leading zeros.
#[inline(always)]
pub(super) fn total_len_u32(values: &[u32]) -> usize {
    // So many cannot overflow the sum's 32 bits.
    const BLOCK: usize = 1 << 24;
    let more = |block: &[u32]| -> u32 {
        block
            .iter()
            .map(|value| {
                (1..5)
                    .map(|k| u32::from(value >> (7 * k) != 0))
                    .sum::<u32>()
            })
            .sum()
    };
    let more: usize = values.chunks(BLOCK).map(|block| more(block) as usize).sum();
    values.len() + more
}
