//! The metrics through the official metrics API.
//!
//! That API has no observable histogram, and the SDK's data types cannot be made by others (`MetricProducer`
//! does not exist, and the fields of what a reader hands to an exporter are private). So the two counters are
//! observed when they are collected, and durations are recorded by an official histogram, one by one, on the
//! thread that counts. What a histogram is made of is for a view to say, which the application gives to its
//! provider: [`red_view`].

use std::sync::Arc;

use opentelemetry::metrics::Meter;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, Stream};
use otel_enhance_kernels::histogram::MAX_SCALE;

use super::RedMetrics;
use super::histogram::MAX_BUCKETS;
use super::table::Series;

const PREFIX: &str = "traces.span.metrics.";
const CALLS: &str = "traces.span.metrics.calls";
const ERRORS: &str = "traces.span.metrics.errors";
const DURATION: &str = "traces.span.metrics.duration";

/// Of the histogram where no view says otherwise: those of the semantic conventions' durations, in seconds.
const BOUNDARIES: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// A view for `SdkMeterProvider::builder().with_view(…)`: durations of [`RedMetrics::report_to`] go into an
/// exponential histogram (160 buckets, as ours), and each instrument may have `max_series` series, for which
/// [`DEFAULT_MAX_SERIES`](super::DEFAULT_MAX_SERIES) is right unless the pipeline has another bound.
///
/// Without it durations go into the explicit buckets that semantic conventions advise, 5 ms to 10 s.
///
/// ```
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
/// use otel_enhance::extensions::simd::{DEFAULT_MAX_SERIES, red_view};
///
/// let provider = SdkMeterProvider::builder()
///     .with_view(red_view(DEFAULT_MAX_SERIES))
///     .build();
/// # drop(provider);
/// ```
pub fn red_view(
    max_series: usize,
) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static {
    move |instrument| {
        let name = instrument.name();
        if !name.starts_with(PREFIX) {
            return None;
        }
        let mut stream = Stream::builder().with_cardinality_limit(max_series);
        if name == DURATION {
            stream = stream.with_aggregation(Aggregation::Base2ExponentialHistogram {
                max_size: MAX_BUCKETS,
                max_scale: MAX_SCALE,
                record_min_max: true,
            });
        }
        stream.build().ok()
    }
}

impl RedMetrics {
    /// Reports through the official metrics API, by the names of the Collector's connector `spanmetrics`:
    ///
    /// | metric | unit | what it is |
    /// |---|---|---|
    /// | `traces.span.metrics.calls` | `{call}` | spans that have ended |
    /// | `traces.span.metrics.errors` | `{call}` | of these, those whose status is `Error`: the connector leaves that to a filter by `status.code`, which the overflow has not |
    /// | `traces.span.metrics.duration` | `s` | a histogram of how long they took |
    ///
    /// Attributes are `service.name`, `span.name`, `span.kind` (`SPAN_KIND_SERVER`) and `status.code`
    /// (`STATUS_CODE_ERROR`), or `otel.metric.overflow` alone.
    ///
    /// What is collected may lag behind by 50 ms with the extension `performance`, unless the pipeline is
    /// flushed before. Durations are exponential histograms where the meter's provider has [`red_view`]. Each one is
    /// recorded by the official histogram from this call on, on a thread of ours, which costs that thread
    /// a multiple of counting it: whoever reads [`series`](Self::series) or
    /// [`prometheus_text`](Self::prometheus_text) alone saves that by not calling this. Called twice, it
    /// reports twice.
    ///
    /// ```
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    /// use otel_enhance::extensions::simd::{DEFAULT_MAX_SERIES, red_view};
    /// use otel_enhance::opentelemetry::metrics::MeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let guard = otel_enhance::init!(simd(red_metrics = true))?;
    /// let meters = SdkMeterProvider::builder()
    ///     .with_view(red_view(DEFAULT_MAX_SERIES))
    ///     // and a reader with its exporter
    ///     .build();
    /// if let Some(metrics) = guard.red_metrics() {
    ///     metrics.report_to(&meters.meter("spanmetrics"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn report_to(&self, meter: &Meter) {
        // Made before any lock of ours is taken: the SDK holds its own while it calls the ones below.
        let durations = meter
            .f64_histogram(DURATION)
            .with_unit("s")
            .with_description("How long spans took.")
            .with_boundaries(BOUNDARIES.to_vec())
            .build();
        self.aggregator.forward_to(durations);
        self.observe(meter, CALLS, "Spans that have ended.", |series| {
            Some(series.durations.count)
        });
        self.observe(
            meter,
            ERRORS,
            "Spans that have ended with the status Error.",
            |series| series.may_have_errors().then_some(series.errors),
        );
    }

    fn observe(
        &self,
        meter: &Meter,
        name: &'static str,
        description: &'static str,
        count: fn(&Series) -> Option<u64>,
    ) {
        let aggregator = Arc::clone(&self.aggregator);
        meter
            .u64_observable_counter(name)
            .with_unit("{call}")
            .with_description(description)
            .with_callback(move |observer| {
                // Spans that are on their way are not brought in: that may call processors of the
                // application's, and the SDK holds a lock here that they might want.
                aggregator.read(|all| {
                    for series in all {
                        if let Some(count) = count(series) {
                            observer.observe(count, &series.attributes);
                        }
                    }
                });
            })
            .build();
    }
}
