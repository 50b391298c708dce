use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{for_each_level, random_words};

/// The format itself: a byte for each 7 bits until nothing is left.
fn naive(mut value: u64) -> usize {
    let mut bytes = 1;
    while value > 127 {
        value >>= 7;
        bytes += 1;
    }
    bytes
}

#[test]
fn totals_around_every_power_of_two_equal_the_format() {
    for level in Level::supported() {
        for bit in 0..64 {
            for value in [
                (1_u64 << bit) - 1,
                1 << bit,
                (1 << bit) + 1,
                u64::MAX - (1 << bit),
            ] {
                assert_eq!(
                    total_len_with(level, &[value]),
                    naive(value),
                    "{level} {value}"
                );
                let low = value as u32;
                let expected = naive(u64::from(low));
                assert_eq!(total_len_u32_with(level, &[low]), expected, "{level} {low}");
            }
        }
    }
}

#[test]
fn totals_of_every_length_and_start_equal_the_format() {
    let mut words = random_words(3);
    // All widths alike.
    let values: Vec<u64> = (0..310).map(|_| words() >> (words() % 64)).collect();
    let low: Vec<u32> = values.iter().map(|value| *value as u32).collect();
    for level in Level::supported() {
        for start in 0..=8 {
            for end in start..=start + 300 {
                let expected: usize = values[start..end].iter().copied().map(naive).sum();
                assert_eq!(total_len_with(level, &values[start..end]), expected);
                let expected: usize = low[start..end].iter().map(|v| naive(u64::from(*v))).sum();
                assert_eq!(total_len_u32_with(level, &low[start..end]), expected);
            }
        }
    }
}

#[test]
fn totals_of_generated_values_equal_the_format() {
    for_each_level(vec(any::<u64>(), 0..300), |level, values| {
        let expected: usize = values.iter().copied().map(naive).sum();
        assert_eq!(total_len_with(level, values), expected, "{level}");
    });
}
