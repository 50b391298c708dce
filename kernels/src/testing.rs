//! What the tests of every kernel share.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::Level;

/// Calls `check` with every level and every sub-slice of length 0 to 300 at the starts 0 to 16 of random
/// bytes, so that vectors begin at every alignment and end at every distance from the slice's end.
pub(crate) fn every_length_and_start(seed: u64, mut check: impl FnMut(Level, &[u8])) {
    let bytes = random_bytes(seed, 320);
    for level in Level::supported() {
        for start in 0..=16 {
            for length in 0..=300 {
                check(level, &bytes[start..start + length]);
            }
        }
    }
}

/// Pseudo-random bytes, the same for the same seed.
pub(crate) fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut words = random_words(seed);
    (0..length).map(|_| (words() >> 32) as u8).collect()
}

/// Pseudo-random words (splitmix64).
pub(crate) fn random_words(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

/// Runs a property for every level on generated values.
pub(crate) fn for_each_level<S: Strategy>(strategy: S, check: impl Fn(Level, &S::Value)) {
    TestRunner::default()
        .run(&strategy, |value| {
            for level in Level::supported() {
                check(level, &value);
            }
            Ok(())
        })
        .unwrap();
}

/// Two to a power from -1074 to 1023, exactly; `powi` loses the subnormal ones.
pub(crate) fn power_of_two(power: i32) -> f64 {
    f64::from_bits(match power {
        -1022.. => ((power + 1023) as u64) << 52,
        _ => 1 << (power + 1074),
    })
}
