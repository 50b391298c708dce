//! Ids that a key makes of counters in a row look like random ones, and never come twice.

use std::collections::HashSet;
use std::thread;

use tracezip::{BLOCK, IdKey, IdPermutation};

const COUNT: u64 = 1 << 16;

fn ids(key: u8) -> IdPermutation {
    IdPermutation::new(&IdKey::of_process([key; 32]))
}

/// The statistic of Pearson's test on values that should be equally frequent, as standard deviations from what is
/// expected: it has `len - 1` degrees of freedom.
fn deviation(counts: &[u64]) -> f64 {
    let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    let statistic: f64 = counts
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum();
    let freedom = counts.len() as f64 - 1.0;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

/// Bytes by their value, at one place of the ids of counters in a row.
fn histogram(place: usize, id: impl Fn(u64) -> Vec<u8>) -> Vec<u64> {
    let mut counts = vec![0; 256];
    for counter in 0..COUNT {
        counts[usize::from(id(counter)[place])] += 1;
    }
    counts
}

#[test]
fn bytes_of_ids_of_counters_in_a_row_are_equally_frequent() {
    for key in [0, 0x42, 0xff] {
        let ids = ids(key);
        for place in 0..8 {
            let counts = histogram(place, |counter| ids.span_id(counter).to_vec());
            let deviation = deviation(&counts);
            // Keys and counters are fixed: what passes once always does.
            assert!(deviation.abs() < 5.0, "span ids, byte {place}: {deviation}");
        }
        for place in 0..16 {
            let counts = histogram(place, |counter| ids.trace_id(7, counter).to_vec());
            let deviation = deviation(&counts);
            assert!(
                deviation.abs() < 5.0,
                "trace ids, byte {place}: {deviation}"
            );
        }
    }
}

#[test]
fn ids_of_neighbouring_counters_differ_in_half_of_their_bits() {
    let ids = ids(0x17);
    let (mut spans, mut traces) = (0, 0);
    for counter in 0..COUNT {
        let bits = |one: &[u8], other: &[u8]| {
            let pairs = one.iter().zip(other);
            pairs.map(|(a, b)| (a ^ b).count_ones()).sum::<u32>()
        };
        spans += u64::from(bits(&ids.span_id(counter), &ids.span_id(counter + 1)));
        traces += u64::from(bits(
            &ids.trace_id(1, counter),
            &ids.trace_id(1, counter + 1),
        ));
    }
    // Five standard deviations of as many coins.
    for (ones, bits) in [(spans, 64 * COUNT), (traces, 128 * COUNT)] {
        let half = bits as f64 / 2.0;
        let limit = 5.0 * (bits as f64 / 4.0).sqrt();
        assert!((ones as f64 - half).abs() < limit, "{ones} of {bits}");
    }
}

#[test]
fn ids_of_threads_with_blocks_of_their_own_never_come_twice() {
    let ids = ids(0x29);
    let threads: Vec<_> = (0..4_u64)
        .map(|thread| {
            let ids = ids.clone();
            thread::spawn(move || {
                let blocks = (0..64).map(|block| (block * 4 + thread) * BLOCK);
                let counters = blocks.flat_map(|first| first..first + BLOCK);
                counters
                    .map(|counter| (ids.span_id(counter), ids.trace_id(3, counter)))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let (mut spans, mut traces) = (HashSet::new(), HashSet::new());
    for thread in threads {
        let made = thread.join();
        assert!(made.is_ok());
        for (span, trace) in made.into_iter().flatten() {
            assert!(spans.insert(span) && traces.insert(trace));
        }
    }
    assert_eq!(spans.len(), 4 * 64 * BLOCK as usize);
}

#[test]
fn ids_of_one_key_are_others_of_another() {
    let (one, other) = (ids(1), ids(2));
    let differ = (0..1000).all(|counter| one.span_id(counter) != other.span_id(counter));
    assert!(differ);
    // Whoever made an id, its counter leads back to it.
    for id in [[0; 8], [0xff; 8], *b"anything"] {
        assert_eq!(one.span_id(one.span_counter(id)), id);
    }
    let (nonce, counter) = one.trace_counter([0x5a; 16]);
    assert_eq!(one.trace_id(nonce, counter), [0x5a; 16]);
}
