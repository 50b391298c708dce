//! RED metrics of spans: how many calls, how many errors, how long they took.

mod aggregator;
mod histogram;
mod meter;
mod prometheus;
mod sampler;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::SpanKind;

pub(crate) use aggregator::{Aggregator, nanos_between};
pub use meter::red_view;
pub(crate) use sampler::{CountingSampler, is_dropped, starts_dropped};
pub use table::RedStatus;

/// Series of a pipeline, unless
/// [`with_red_max_series`](crate::EnhancedPipeline::with_red_max_series) says otherwise: as many as the
/// official SDK keeps of an instrument.
pub const DEFAULT_MAX_SERIES: usize = 2000;

/// The media type of [`RedMetrics::prometheus_text`], for the header `Content-Type`.
pub const PROMETHEUS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The RED metrics of a pipeline: see
/// [`TelemetryGuard::red_metrics`](crate::TelemetryGuard::red_metrics). Clones show the same, also after the
/// pipeline has ended.
///
/// One series counts the spans of one service, name, kind and status, whether they are sampled or not.
/// There are at most `red_max_series` of them (2000 by default), one of which takes whatever comes when the
/// others are taken: its one attribute is `otel.metric.overflow`, as the specification has it. Names with
/// ids in them end there; a span's name at its end counts.
///
/// ```
/// use otel_enhance::enhanced_trace;
/// use otel_enhance::trace::SpanKind;
///
/// #[enhanced_trace(name = "order", kind = "server", err)]
/// fn order(items: u32) -> Result<u32, String> {
///     if items == 0 { Err("an empty basket".to_owned()) } else { Ok(items) }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guard = otel_enhance::init!(
///     service = "shop",
///     sampler = ratio(0.0), // No span is exported, and all are counted.
///     simd(red_metrics = true),
/// )?;
/// let _ = (order(2), order(0));
///
/// let metrics = guard.red_metrics().ok_or("not asked for")?;
/// let series = metrics.series();
/// assert_eq!(series.len(), 2, "one without and one with an error");
/// assert_eq!(series[0].span_name, "order");
/// assert_eq!(series[0].kind, Some(SpanKind::Server));
/// assert_eq!((series[0].calls, series[0].errors), (1, 0));
/// assert_eq!((series[1].calls, series[1].errors), (1, 1));
/// assert_eq!(series[1].durations.count, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedMetrics {
    aggregator: Arc<Aggregator>,
    /// Brings in spans that have ended and are on their way.
    collect: Arc<dyn Fn() + Send + Sync>,
}

impl RedMetrics {
    pub(crate) fn new(
        aggregator: Arc<Aggregator>,
        collect: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            aggregator,
            collect: Arc::new(collect),
        }
    }

    /// The pipeline is at its end.
    pub(crate) fn close(&self) {
        self.aggregator.close();
    }

    /// Every series that has counted something, that of the overflow first, the others in the order in
    /// which they began. Spans that ended before this call are in it.
    #[must_use]
    pub fn series(&self) -> Vec<RedSeries> {
        (self.collect)();
        self.aggregator
            .read(|series| series.map(RedSeries::from).collect())
    }

    /// The metrics in Prometheus' text format: `traces_span_metrics_calls_total`,
    /// `traces_span_metrics_errors_total` and the histogram `traces_span_metrics_duration_seconds`, whose
    /// buckets end at the powers of two from 61 µs to 64 s. Empty while nothing has been counted. What serves
    /// it over HTTP names its type: [`PROMETHEUS_CONTENT_TYPE`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use otel_enhance::trace::{Span, Tracer};
    ///
    /// let guard = otel_enhance::new_enhanced_pipeline()
    ///     .with_service_name("shop")
    ///     .with_no_exporter()
    ///     .with_red_metrics(true)
    ///     .install_batch()?;
    /// guard.tracer("shop").start("order").end();
    /// let text = guard.prometheus_text();
    /// assert!(text.contains(
    ///     "\ntraces_span_metrics_calls_total{service_name=\"shop\",span_kind=\"SPAN_KIND_INTERNAL\",\
    ///      span_name=\"order\",status_code=\"STATUS_CODE_UNSET\"} 1\n"
    /// ));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn prometheus_text(&self) -> String {
        (self.collect)();
        self.aggregator.read(prometheus::text)
    }
}

impl fmt::Debug for RedMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedMetrics").finish_non_exhaustive()
    }
}

/// One series of [`RedMetrics`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RedSeries {
    /// `service.name`; empty for the overflow.
    pub service_name: String,
    /// The spans' name; empty for the overflow.
    pub span_name: String,
    /// The spans' kind; `None` for the overflow.
    pub kind: Option<SpanKind>,
    /// How they ended; `None` for the overflow.
    pub status: Option<RedStatus>,
    /// Spans that have ended.
    pub calls: u64,
    /// Of these, those whose status is `Error`.
    pub errors: u64,
    /// How long they took.
    pub durations: RedDurations,
}

impl RedSeries {
    /// Whether this is the series of whatever found no place of its own.
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        self.kind.is_none()
    }
}

/// A base-2 exponential histogram of durations in seconds, as the metrics data model defines it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RedDurations {
    /// Durations.
    pub count: u64,
    /// All of them together.
    pub sum: f64,
    /// The shortest one.
    pub min: f64,
    /// The longest one.
    pub max: f64,
    /// Those that were zero.
    pub zero_count: u64,
    /// Buckets double their bounds every 2^`scale` buckets. At most 160 buckets are used: so the scale
    /// goes down as durations differ more.
    pub scale: i8,
    /// The index of the first bucket.
    pub offset: i32,
    /// How many durations are above 2^((`offset` + i) / 2^`scale`) seconds, and at most twice the
    /// 2^`scale`-th root of two as long.
    pub buckets: Vec<u64>,
}

impl From<&table::Series> for RedSeries {
    fn from(series: &table::Series) -> Self {
        let durations = &series.durations;
        let (kind, status) = series.of.clone().unzip();
        Self {
            service_name: series.service_name(),
            span_name: series.span_name(),
            kind,
            status,
            calls: durations.count,
            errors: series.errors,
            durations: RedDurations {
                count: durations.count,
                sum: durations.sum,
                min: durations.min,
                max: durations.max,
                zero_count: durations.zero_count,
                scale: durations.scale,
                offset: durations.offset,
                buckets: durations.counts.clone(),
            },
        }
    }
}
