//! RED metrics in a pipeline: the extension `simd` counts every span.

use opentelemetry_sdk::trace::{ShouldSample, SpanProcessor, TracerProviderBuilder};

use super::builder::EnhancedPipeline;
use super::processor::Hides;
use super::span_path::SpanPath;
use crate::InitError;
use crate::config::Settings;

#[cfg(feature = "simd")]
mod counted;
#[cfg(feature = "simd")]
pub(super) use counting::Red;
#[cfg(not(feature = "simd"))]
pub(super) use nothing::Red;

/// What code asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RedRequest {
    is_on: bool,
    max_series: Option<usize>,
}

/// As many as the official SDK keeps of an instrument.
const DEFAULT_MAX_SERIES: usize = 2000;
/// Series that may be asked for.
const SERIES: std::ops::RangeInclusive<usize> = 2..=1_000_000;

impl RedRequest {
    /// How many series there may be; `None` where nothing is to be counted.
    pub(super) fn max_series(self) -> Result<Option<usize>, InitError> {
        if !self.is_on {
            return Ok(None);
        }
        if !cfg!(feature = "simd") {
            return Err(InitError::FeatureMissing {
                argument: "red_metrics",
                feature: "simd",
            });
        }
        let max_series = self.max_series.unwrap_or(DEFAULT_MAX_SERIES);
        if !SERIES.contains(&max_series) {
            return Err(InitError::InvalidArgument {
                argument: "red_max_series",
                value: max_series.to_string(),
                expected: format!(
                    "a number of series from {} to {}, that of the overflow included",
                    SERIES.start(),
                    SERIES.end()
                ),
            });
        }
        Ok(Some(max_series))
    }
}

/// RED metrics, of the extension `simd`. In a build without the feature of that name the install of a
/// pipeline that asks for them fails with [`InitError::FeatureMissing`].
impl EnhancedPipeline {
    /// Counts calls, errors and durations of all spans by service, name, kind and status, whatever the
    /// sampler says of them: see `extensions::simd::RedMetrics` and
    /// [`TelemetryGuard::red_metrics`](super::TelemetryGuard::red_metrics). It goes with every exporter, and
    /// with none. Environment: none. Default: off, and then nothing is different.
    ///
    /// **What it costs** (`cargo bench --bench red` for your machine). A sampled span of the SDK 1.1 times as
    /// much time of the thread that ends it (official instruments, called in a processor, 1.9), and with
    /// `performance` none; all threads together 1.2 times as much. Spans that the sampler drops are recorded,
    /// without being exported: `is_recording` says so, and they cost what sampled ones cost, which is 2.2 times
    /// as much as before, and with `performance`, which keeps no attributes, events and links of them, 1.5 times.
    /// Your own processors do not see them. Spans that `sample` and `enabled` of `#[enhanced_trace]` leave
    /// out are none, and not counted.
    ///
    /// ```
    /// # #[cfg(feature = "simd")]
    /// # fn main() -> Result<(), otel_enhance::InitError> {
    /// let guard = otel_enhance::new_enhanced_pipeline()
    ///     .with_service_name("shop")
    ///     .with_no_exporter()
    ///     .with_red_metrics(true)
    ///     .install_batch()?;
    /// println!("{}", guard.prometheus_text());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "simd"))]
    /// # fn main() {}
    /// ```
    pub fn with_red_metrics(mut self, enabled: bool) -> Self {
        self.red.is_on = enabled;
        self
    }

    /// The series of [`with_red_metrics`](Self::with_red_metrics), which this implies: 2 to 1,000,000, one of
    /// which takes whatever comes when the others are taken (`otel.metric.overflow`). A series takes up to
    /// 2 KiB. Environment: none. Default: 2000.
    pub fn with_red_max_series(mut self, series: usize) -> Self {
        self.red.is_on = true;
        self.red.max_series = Some(series);
        self
    }
}

#[cfg(feature = "simd")]
mod counting {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use opentelemetry::Key;

    use super::super::queue::AccountingProcessor;
    use super::counted::Counted;
    use super::*;
    use crate::extensions::simd::{self, Aggregator, CountingSampler, RedMetrics};

    const _: () = assert!(DEFAULT_MAX_SERIES == simd::DEFAULT_MAX_SERIES);

    /// A look at the metrics waits so long for spans that are on their way.
    const LOOK: Duration = Duration::from_secs(1);

    /// What counts the spans of a pipeline, if anything does.
    #[derive(Debug)]
    pub(in crate::pipeline) struct Red(Option<Arc<Aggregator>>);

    impl Red {
        pub(in crate::pipeline) fn start(
            max_series: Option<usize>,
            settings: &Settings,
        ) -> Result<Self, InitError> {
            let Some(max_series) = max_series else {
                return Ok(Self(None));
            };
            let service = settings
                .resource
                .get(&Key::from_static_str("service.name"))
                .map_or_else(String::new, |name| name.to_string());
            let aggregator = Arc::new(Aggregator::new(service, max_series));
            aggregator.start().map_err(InitError::Runtime)?;
            Ok(Self(Some(aggregator)))
        }

        #[cfg(feature = "performance")]
        pub(in crate::pipeline) fn aggregator(&self) -> Option<Arc<Aggregator>> {
            self.0.clone()
        }

        pub(in crate::pipeline) fn metrics(&self, path: &SpanPath) -> Option<RedMetrics> {
            let collect = path.collector();
            let collect = move || collect(Instant::now() + LOOK);
            Some(RedMetrics::new(Arc::clone(self.0.as_ref()?), collect))
        }

        /// What other processors are not to see. A sampler that is not ours to know may record spans
        /// without sampling them.
        pub(in crate::pipeline) fn hides(&self, has_sampler_in_code: bool) -> Hides {
            match &self.0 {
                None => Hides::Nothing,
                Some(_) if has_sampler_in_code => Hides::Marked,
                Some(_) => Hides::Unsampled,
            }
        }

        /// The sampler of the SDK's spans, where other processors are to be spared what `hides` says.
        pub(in crate::pipeline) fn sampler(
            &self,
            sampler: Box<dyn ShouldSample>,
            hides: Hides,
        ) -> Box<dyn ShouldSample> {
            match &self.0 {
                None => sampler,
                Some(_) => Box::new(CountingSampler {
                    sampler,
                    marks: matches!(hides, Hides::Marked),
                }),
            }
        }

        /// Gives the official provider the processor of the queue.
        pub(in crate::pipeline) fn attach<P: SpanProcessor + 'static>(
            &self,
            provider: TracerProviderBuilder,
            queue: P,
            path: &SpanPath,
        ) -> TracerProviderBuilder {
            match &self.0 {
                None => path.attach(provider, queue),
                Some(red) => path.attach(provider, Counted::new(Arc::clone(red), Some(queue))),
            }
        }

        /// The same where there is no queue.
        pub(in crate::pipeline) fn attach_alone(
            &self,
            provider: TracerProviderBuilder,
            path: &SpanPath,
        ) -> TracerProviderBuilder {
            match &self.0 {
                None => provider,
                Some(red) => {
                    let counted = Counted::<AccountingProcessor>::new(Arc::clone(red), None);
                    #[cfg(feature = "ebpf")]
                    let counted = crate::extensions::ebpf::EbpfSpanProcessor::in_pipeline(counted);
                    path.attach(provider, counted)
                }
            }
        }
    }
}

#[cfg(not(feature = "simd"))]
mod nothing {
    use super::*;

    /// A build that counts nothing.
    #[derive(Debug)]
    pub(in crate::pipeline) struct Red;

    impl Red {
        pub(in crate::pipeline) fn start(
            _: Option<usize>,
            _: &Settings,
        ) -> Result<Self, InitError> {
            Ok(Self)
        }

        pub(in crate::pipeline) fn hides(&self, _: bool) -> Hides {
            Hides::Nothing
        }

        pub(in crate::pipeline) fn sampler(
            &self,
            sampler: Box<dyn ShouldSample>,
            _: Hides,
        ) -> Box<dyn ShouldSample> {
            sampler
        }

        pub(in crate::pipeline) fn attach<P: SpanProcessor + 'static>(
            &self,
            provider: TracerProviderBuilder,
            queue: P,
            path: &SpanPath,
        ) -> TracerProviderBuilder {
            path.attach(provider, queue)
        }

        pub(in crate::pipeline) fn attach_alone(
            &self,
            provider: TracerProviderBuilder,
            _: &SpanPath,
        ) -> TracerProviderBuilder {
            provider
        }
    }
}
