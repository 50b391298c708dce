//! Bucket indexes held against the official SDK's exponential histogram.

use super::{MAX_SCALE, MIN_SCALE, append_indexes_with};
use crate::Level;
use crate::testing::power_of_two;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{
    Aggregation, InMemoryMetricExporter, Instrument, SdkMeterProvider, Stream,
};

/// The bucket that the official histogram puts each value into: one series a value.
fn official(values: &[f64], scale: i8) -> Vec<i32> {
    let limit = values.len() + 1;
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .with_view(move |_: &Instrument| {
            Stream::builder()
                .with_aggregation(Aggregation::Base2ExponentialHistogram {
                    max_size: 160,
                    max_scale: scale,
                    record_min_max: false,
                })
                .with_cardinality_limit(limit)
                .build()
                .ok()
        })
        .build();
    let recorder = provider.meter("test").f64_histogram("values").build();
    for (at, value) in values.iter().enumerate() {
        recorder.record(*value, &[KeyValue::new("at", at as i64)]);
    }
    provider.force_flush().unwrap();

    let mut indexes = vec![None; values.len()];
    let exported = exporter.get_finished_metrics().unwrap();
    let metric = exported[0]
        .scope_metrics()
        .next()
        .unwrap()
        .metrics()
        .next()
        .unwrap();
    let AggregatedMetrics::F64(MetricData::ExponentialHistogram(data)) = metric.data() else {
        panic!("no exponential histogram: {metric:?}");
    };
    for point in data.data_points() {
        assert_eq!(point.scale(), scale);
        let at: usize = point
            .attributes()
            .next()
            .unwrap()
            .value
            .to_string()
            .parse()
            .unwrap();
        indexes[at] = Some(point.positive_bucket().offset());
    }
    indexes.into_iter().map(Option::unwrap).collect()
}

#[test]
fn indexes_given_values_of_all_sizes_equal_the_official_ones() {
    let mut values = vec![f64::MIN_POSITIVE, f64::MAX, f64::from_bits(1), 0.1, 1e9];
    for power in -1074..=1023 {
        let power = power_of_two(power);
        values.extend([power.next_down(), power, power.next_up(), power * 1.234_567]);
    }
    // Durations in seconds and boundaries of the scales that such histograms have.
    values.extend((1..2_000).map(|n| f64::from(n) * 1.7e-5));
    for step in 0..64 {
        let boundary = 2_f64.powf(f64::from(step) / 64.0);
        values.extend([boundary.next_down(), boundary, boundary.next_up()]);
    }
    values.retain(|value| *value > 0.0 && value.is_finite());

    for scale in [MIN_SCALE, -3, 0, 1, 4, 11, MAX_SCALE] {
        let official = official(&values, scale);
        for level in Level::supported() {
            let mut ours = Vec::new();
            append_indexes_with(level, &values, scale, &mut ours);
            for ((value, ours), official) in values.iter().zip(&ours).zip(&official) {
                assert_eq!(ours, official, "{value:e} at scale {scale} on {level}");
            }
        }
    }
}
