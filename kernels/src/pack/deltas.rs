//! Differences and their sums.

#[inline(always)]
pub(super) fn append(before: u64, values: &[u64], out: &mut Vec<u64>) {
    let Some(first) = values.first() else {
        return;
    };
    out.reserve(values.len());
    out.push(zigzag(first.wrapping_sub(before)));
    let pairs = values.iter().zip(&values[1..]);
    out.extend(pairs.map(|(before, value)| zigzag(value.wrapping_sub(*before))));
}

pub(super) fn undo(before: u64, column: &mut [u64]) {
    let mut sum = before;
    for value in column {
        sum = sum.wrapping_add(unzigzag(*value));
        *value = sum;
    }
}

/// 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 …
#[inline(always)]
fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ ((difference as i64 >> 63) as u64)
}

#[inline(always)]
fn unzigzag(code: u64) -> u64 {
    (code >> 1) ^ (code & 1).wrapping_neg()
}
