use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{for_each_level, power_of_two, random_words};

fn one_by_one(values: &[f64], scale: i8) -> Vec<i32> {
    let mapping = Mapping::new(scale);
    values.iter().map(|value| mapping.index(*value)).collect()
}

/// Every boundary of a scale within a doubling, and its neighbours, at several powers of two.
fn beside_boundaries(scale: i8) -> Vec<f64> {
    let steps = 1_u32 << scale.clamp(0, 8);
    (0..steps)
        .map(|step| 2_f64.powf(f64::from(step) / f64::from(steps)))
        .flat_map(|boundary| [boundary.next_down(), boundary, boundary.next_up()])
        .flat_map(|value| [-1060, -1022, -30, 0, 30, 1022].map(|power| value * power_of_two(power)))
        .collect()
}

#[test]
fn indexes_at_every_scale_beside_boundaries_equal_those_one_by_one() {
    for level in Level::supported() {
        for scale in MIN_SCALE..=MAX_SCALE {
            let values = beside_boundaries(scale);
            let mut indexes = Vec::new();
            append_indexes_with(level, &values, scale, &mut indexes);
            assert_eq!(
                indexes,
                one_by_one(&values, scale),
                "{level}, scale {scale}"
            );
        }
    }
}

#[test]
fn indexes_of_powers_of_two_belong_to_the_bucket_below() {
    for level in Level::supported() {
        for scale in MIN_SCALE..=MAX_SCALE {
            for power in -1074..=1023 {
                let mut indexes = Vec::new();
                // A whole block, so that it is not the rest that is tested.
                append_indexes_with(level, &[power_of_two(power); 8], scale, &mut indexes);
                let expected = match scale {
                    1.. => (power << scale) - 1,
                    _ => (power - 1) >> -scale,
                };
                assert_eq!(indexes, [expected; 8], "{level}, scale {scale}, 2^{power}");
            }
        }
    }
}

#[test]
fn indexes_of_every_length_and_start_equal_those_one_by_one() {
    let mut words = random_words(5);
    let nanos: Vec<u64> = (0..310).map(|_| words() >> (words() % 64)).collect();
    let values: Vec<f64> = nanos.iter().map(|value| *value as f64).collect();
    for level in Level::supported() {
        for start in 0..=8 {
            for end in start..=start + 300 {
                let expected = one_by_one(&values[start..end], 7);
                let mut indexes = vec![42];
                append_indexes_with(level, &values[start..end], 7, &mut indexes);
                append_indexes_u64_with(level, &nanos[start..end], 7, &mut indexes);
                assert_eq!(indexes[0], 42);
                assert_eq!(indexes[1..], [expected.as_slice(), &expected].concat());
            }
        }
    }
}

#[test]
fn indexes_of_values_without_a_bucket_say_so_and_leave_their_neighbours_alone() {
    let values = [
        0.0,
        1.5,
        -0.0,
        f64::NAN,
        3.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1.5,
        1.5,
    ];
    const NO: i32 = NO_BUCKET;
    for level in Level::supported() {
        let mut indexes = Vec::new();
        append_indexes_with(level, &values, 0, &mut indexes);
        assert_eq!(indexes, [NO, 0, NO, NO, 1, NO, NO, 0, 0], "{level}");
    }
}

#[test]
fn indexes_of_generated_values_equal_those_one_by_one_and_shift_down() {
    let strategy = (vec(any::<f64>(), 0..300), MIN_SCALE..=MAX_SCALE);
    for_each_level(strategy, |level, (values, scale)| {
        let mut indexes = Vec::new();
        append_indexes_with(level, values, *scale, &mut indexes);
        assert_eq!(
            indexes,
            one_by_one(values, *scale),
            "{level}, scale {scale}"
        );
        let mut finest = Vec::new();
        append_indexes_with(level, values, MAX_SCALE, &mut finest);
        for (index, finest) in indexes.iter().zip(finest) {
            let shifted = if finest == NO_BUCKET {
                NO_BUCKET
            } else {
                finest >> (MAX_SCALE - scale)
            };
            assert_eq!(*index, shifted);
        }
    });
}
