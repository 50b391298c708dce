//! The exponential histogram of one series, step by step that of the official SDK.
//!
//! Indexes come in columns from the kernel, all at the finest scale, because an index at a coarser scale is
//! the finer one shifted: only beside a coarser boundary, where one rounding could differ from the other,
//! is a value asked for again at its own scale.

use otel_enhance_kernels::Level;
use otel_enhance_kernels::histogram::{MAX_SCALE, MIN_SCALE, NO_BUCKET, append_indexes_with};

/// Buckets of a histogram at most: the default of the specification and of the SDK.
pub(super) const MAX_BUCKETS: u32 = 160;
const MAX_SIZE: i32 = MAX_BUCKETS as i32;

/// Durations of one series, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exponential {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) zero_count: u64,
    pub(super) scale: i8,
    /// The index of the first bucket.
    pub(super) offset: i32,
    pub(super) counts: Vec<u64>,
}

impl Exponential {
    pub(super) const fn new() -> Self {
        Self {
            count: 0,
            sum: 0.0,
            min: f64::MAX,
            max: f64::MIN,
            zero_count: 0,
            scale: MAX_SCALE,
            offset: 0,
            counts: Vec::new(),
        }
    }

    /// A finite value that is not negative, with its index at [`MAX_SCALE`].
    pub(super) fn record(&mut self, value: f64, finest: i32) {
        self.count += 1;
        self.sum += value;
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        if finest == NO_BUCKET {
            self.zero_count += 1;
            return;
        }
        let mut index = index_at(self.scale, value, finest);
        let by = self.too_fine_by(index);
        if by > 0 {
            // Never below the lowest scale: nanoseconds up to 2^64 fit at scale 1.
            self.scale = (self.scale - by).max(MIN_SCALE);
            self.coarsen(by);
            index = index_at(self.scale, value, finest);
        }
        self.count_in(index);
    }

    /// By how many steps the scale has to go down, for the buckets to reach from the ones in use to `index`.
    fn too_fine_by(&self, index: i32) -> i8 {
        if self.counts.is_empty() {
            return 0;
        }
        let (mut low, mut high) = if self.offset >= index {
            (index, self.last())
        } else {
            (self.offset, index)
        };
        let mut by = 0;
        // As the SDK: `high` is the new index even where buckets beyond it are in use, whose number is
        // right already.
        while high - low >= MAX_SIZE {
            low >>= 1;
            high >>= 1;
            by += 1;
        }
        by
    }

    fn last(&self) -> i32 {
        self.offset + self.counts.len() as i32 - 1
    }

    /// Adds up what falls into one bucket at a scale that is lower by `by`.
    fn coarsen(&mut self, by: i8) {
        let offset = self.offset >> by;
        let last = self.last() >> by;
        let mut counts = vec![0; (last - offset + 1) as usize];
        for (at, count) in self.counts.iter().enumerate() {
            counts[(((self.offset + at as i32) >> by) - offset) as usize] += count;
        }
        (self.offset, self.counts) = (offset, counts);
    }

    fn count_in(&mut self, index: i32) {
        if self.counts.is_empty() {
            self.offset = index;
        } else if index < self.offset {
            let missing = (self.offset - index) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = index;
        }
        let at = (index - self.offset) as usize;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
    }

    /// Values up to and including two to the power of `exponent`; exact at scales from zero up.
    pub(super) fn up_to_power_of_two(&self, exponent: i32) -> u64 {
        let boundary = i64::from(exponent) << self.scale.max(0);
        let below = boundary - i64::from(self.offset);
        let below = usize::try_from(below).unwrap_or(0).min(self.counts.len());
        self.zero_count + self.counts[..below].iter().sum::<u64>()
    }
}

/// The index at `scale`, from that at [`MAX_SCALE`].
fn index_at(scale: i8, value: f64, finest: i32) -> i32 {
    let by = MAX_SCALE - scale;
    let within = (1 << by) - 1;
    let place = finest & within;
    if by > 0 && (place == 0 || place == within) {
        return beside_a_boundary(scale, value);
    }
    finest >> by
}

#[cold]
fn beside_a_boundary(scale: i8, value: f64) -> i32 {
    let mut index = Vec::with_capacity(1);
    append_indexes_with(Level::Scalar, &[value], scale, &mut index);
    index[0]
}

#[cfg(test)]
mod tests {
    use otel_enhance_kernels::histogram::append_indexes;
    use proptest::prelude::*;

    use super::*;

    /// Value by value, by the formula at the scale of the moment.
    #[derive(Debug)]
    struct Reference {
        scale: i8,
        values: Vec<f64>,
    }

    impl Reference {
        fn of(values: &[f64]) -> Self {
            let mut reference = Self {
                scale: MAX_SCALE,
                values: Vec::new(),
            };
            for value in values {
                reference.values.push(*value);
                while reference.width() > MAX_SIZE {
                    reference.scale -= 1;
                }
            }
            reference
        }

        fn indexes(&self) -> Vec<i32> {
            let positive = self.values.iter().copied().filter(|value| *value > 0.0);
            positive
                .map(|value| beside_a_boundary(self.scale, value))
                .collect()
        }

        fn width(&self) -> i32 {
            let indexes = self.indexes();
            match (indexes.iter().min(), indexes.iter().max()) {
                (Some(low), Some(high)) => high - low + 1,
                _ => 0,
            }
        }
    }

    fn recorded(values: &[f64]) -> Exponential {
        let mut finest = Vec::new();
        append_indexes(values, MAX_SCALE, &mut finest);
        let mut histogram = Exponential::new();
        for (value, finest) in values.iter().zip(finest) {
            histogram.record(*value, finest);
        }
        histogram
    }

    fn assert_as_the_reference(values: &[f64]) {
        let histogram = recorded(values);
        let reference = Reference::of(values);
        assert_eq!(histogram.scale, reference.scale);
        let indexes = reference.indexes();
        for (at, count) in histogram.counts.iter().enumerate() {
            let index = histogram.offset + at as i32;
            let expected = indexes.iter().filter(|other| **other == index).count();
            assert_eq!(*count, expected as u64, "bucket {index}");
        }
        let counted: u64 = histogram.counts.iter().sum();
        assert_eq!(counted, indexes.len() as u64);
        assert_eq!(histogram.zero_count + counted, values.len() as u64);
        assert_eq!(histogram.count, values.len() as u64);
        for exponent in -20..8 {
            let boundary = 2_f64.powi(exponent);
            let expected = values.iter().filter(|value| **value <= boundary).count();
            assert_eq!(
                histogram.up_to_power_of_two(exponent),
                expected as u64,
                "up to 2^{exponent}"
            );
        }
    }

    #[test]
    fn durations_beside_boundaries_are_counted_as_by_the_reference() {
        let mut values = vec![0.0, 1e-9, 1.0, 0.5, 0.25, 60.0];
        for step in -64..64 {
            let boundary = 2_f64.powf(f64::from(step) / 16.0);
            values.extend([boundary.next_down(), boundary, boundary.next_up()]);
        }
        assert_as_the_reference(&values);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn durations_of_all_sizes_are_counted_as_by_the_reference(
            nanos in prop::collection::vec(
                prop_oneof![0..10_u64, 0..1_000_000_u64, 0..10_000_000_000_u64, 0..u64::MAX],
                1..60,
            )
        ) {
            let seconds: Vec<f64> = nanos.iter().map(|nanos| *nanos as f64 / 1e9).collect();
            assert_as_the_reference(&seconds);
        }
    }
}
