//! The extension `ebpf` in the builder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::builder::EnhancedPipeline;
use crate::InitError;
use crate::config::{EbpfSettings, EbpfSpans};

/// Samples a second that may be asked for.
const HZ: std::ops::RangeInclusive<u32> = 1..=10_000;
/// The kernel's program compares microseconds.
const OFF_CPU_MIN: Duration = Duration::from_micros(1);
/// Threads that may be watched.
const THREADS: std::ops::RangeInclusive<u32> = 1..=(1 << 20) - 1;

/// The extension `ebpf`: what each span did with its time. In a build without the feature of this name the install
/// of a pipeline that asks for it fails with [`InitError::FeatureMissing`]. All methods but
/// [`with_ebpf_profiling`](Self::with_ebpf_profiling) imply that one.
///
/// **Minimum kernel:** 5.15 with BTF, and `CAP_BPF` and `CAP_PERFMON` during the install; with less there is less to
/// see, and never an error: `TelemetryGuard::ebpf` tells how much.
impl EnhancedPipeline {
    /// Has each span end with what it did: time on a CPU, blocked, and waiting for a CPU, switches and page faults,
    /// and for futures their polls. See `extensions::ebpf`. Default: off.
    ///
    /// ```
    /// # #[cfg(feature = "ebpf")]
    /// # fn main() -> Result<(), otel_enhance::InitError> {
    /// let guard = otel_enhance::new_enhanced_pipeline()
    ///     .with_no_exporter()
    ///     .with_ebpf_profiling(true)
    ///     .install_batch()?;
    /// println!("{}", guard.ebpf().map_or_else(String::new, |ebpf| ebpf.status().to_string()));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "ebpf"))]
    /// # fn main() {}
    /// ```
    pub fn with_ebpf_profiling(mut self, enabled: bool) -> Self {
        self.ebpf = enabled.then(|| self.ebpf.unwrap_or_default());
        self
    }

    /// All settings at once, in the place of earlier ones.
    pub fn with_ebpf_settings(mut self, settings: EbpfSettings) -> Self {
        self.ebpf = Some(settings);
        self
    }

    /// See [`EbpfSettings::with_sample_hz`].
    pub fn with_ebpf_sample_hz(self, hz: u32) -> Self {
        self.ebpf_settings(|settings| settings.with_sample_hz(hz))
    }

    /// See [`EbpfSettings::with_off_cpu`].
    pub fn with_ebpf_off_cpu(self, enabled: bool) -> Self {
        self.ebpf_settings(|settings| settings.with_off_cpu(enabled))
    }

    /// See [`EbpfSettings::with_spans`].
    pub fn with_ebpf_spans(self, spans: EbpfSpans) -> Self {
        self.ebpf_settings(|settings| settings.with_spans(spans))
    }

    /// See [`EbpfSettings::with_max_threads`].
    pub fn with_ebpf_max_threads(self, threads: u32) -> Self {
        self.ebpf_settings(|settings| settings.with_max_threads(threads))
    }

    /// See [`EbpfSettings::with_page_faults`].
    pub fn with_ebpf_page_faults(self, counted: bool) -> Self {
        self.ebpf_settings(|settings| settings.with_page_faults(counted))
    }

    /// See [`EbpfSettings::with_publishing`].
    pub fn with_ebpf_publishing(self, enabled: bool) -> Self {
        self.ebpf_settings(|settings| settings.with_publishing(enabled))
    }

    /// See [`EbpfSettings::with_pinned_map`].
    pub fn with_ebpf_pinned_map(self, path: impl Into<PathBuf>) -> Self {
        self.ebpf_settings(|settings| settings.with_pinned_map(path))
    }

    /// See [`EbpfSettings::with_off_cpu_min`].
    pub fn with_ebpf_off_cpu_min(self, time: Duration) -> Self {
        self.ebpf_settings(|settings| settings.with_off_cpu_min(time))
    }

    /// See [`EbpfSettings::with_profile_folder`].
    pub fn with_ebpf_profile_folder(self, folder: impl Into<PathBuf>) -> Self {
        self.ebpf_settings(|settings| settings.with_profile_folder(folder))
    }

    /// See [`EbpfSettings::with_otlp_profiles`].
    pub fn with_ebpf_otlp_profiles(self, enabled: bool) -> Self {
        self.ebpf_settings(|settings| settings.with_otlp_profiles(enabled))
    }

    /// See [`EbpfSettings::with_profiles_endpoint`].
    pub fn with_ebpf_profiles_endpoint(self, endpoint: impl Into<String>) -> Self {
        self.ebpf_settings(|settings| settings.with_profiles_endpoint(endpoint))
    }

    /// See [`EbpfSettings::with_profile_interval`].
    pub fn with_ebpf_profile_interval(self, interval: Duration) -> Self {
        self.ebpf_settings(|settings| settings.with_profile_interval(interval))
    }

    fn ebpf_settings(mut self, set: impl FnOnce(EbpfSettings) -> EbpfSettings) -> Self {
        self.ebpf = Some(set(self.ebpf.unwrap_or_default()));
        self
    }
}

/// Whether what is asked for can be had.
pub(super) fn check(settings: Option<&EbpfSettings>) -> Result<(), InitError> {
    let Some(settings) = settings else {
        return Ok(());
    };
    if !cfg!(feature = "ebpf") {
        return Err(InitError::FeatureMissing {
            argument: "ebpf",
            feature: "ebpf",
        });
    }
    let invalid = |argument, value: u32, range: &std::ops::RangeInclusive<u32>| {
        Err(InitError::InvalidArgument {
            argument,
            value: value.to_string(),
            expected: format!("a number from {} to {}", range.start(), range.end()),
        })
    };
    match settings.sample_hz {
        Some(hz) if !HZ.contains(&hz) => return invalid("sample_hz", hz, &HZ),
        _ => {}
    }
    if settings.profile_interval < Duration::from_secs(1) {
        return Err(InitError::InvalidArgument {
            argument: "profile_interval",
            value: format!("{:?}", settings.profile_interval),
            expected: "a second or more".to_owned(),
        });
    }
    let exports = [
        (settings.profile_folder.is_some(), "profile_folder"),
        (settings.otlp_profiles, "otlp_profiles"),
    ];
    if let Some((_, argument)) = exports.into_iter().find(|(asked, _)| *asked)
        && settings.sample_hz.is_none()
        && !settings.off_cpu
    {
        return Err(InitError::InvalidArgument {
            argument,
            value: "without samples".to_owned(),
            expected: "`sample_hz = 99` or `off_cpu` beside it".to_owned(),
        });
    }
    if settings.profile_folder.as_deref() == Some(Path::new("")) {
        return Err(InitError::InvalidArgument {
            argument: "profile_folder",
            value: String::new(),
            expected: "a folder; `.` is the one that the process runs in".to_owned(),
        });
    }
    let shortest = settings.off_cpu_min;
    if shortest < OFF_CPU_MIN {
        return Err(InitError::InvalidArgument {
            argument: "off_cpu_min",
            value: format!("{shortest:?}"),
            expected: "a microsecond or more".to_owned(),
        });
    }
    if !settings.off_cpu && shortest != EbpfSettings::new().off_cpu_min {
        return Err(InitError::InvalidArgument {
            argument: "off_cpu_min",
            value: format!("{shortest:?}"),
            expected: "`off_cpu` beside it, or it measures nothing".to_owned(),
        });
    }
    if !THREADS.contains(&settings.max_threads) {
        return invalid("max_threads", settings.max_threads, &THREADS);
    }
    Ok(())
}

#[cfg(all(test, feature = "ebpf"))]
mod tests {
    use super::*;

    #[test]
    fn shortest_sleep_without_off_cpu_or_below_a_microsecond_is_refused() {
        let short = EbpfSettings::new().with_off_cpu_min(Duration::from_micros(5));
        let error = check(Some(&short)).unwrap_err();
        assert!(error.to_string().contains("`off_cpu` beside it"), "{error}");
        let with = short.with_off_cpu(true);
        check(Some(&with)).unwrap();
        for nanos in [0, 999] {
            let settings = with.clone().with_off_cpu_min(Duration::from_nanos(nanos));
            let error = check(Some(&settings)).unwrap_err();
            assert!(error.to_string().starts_with("`off_cpu_min` is"), "{error}");
        }
    }

    #[test]
    fn folder_without_a_name_is_refused_by_the_name_of_its_argument() {
        let settings = EbpfSettings::new().with_sample_hz(99);
        let nameless = settings.clone().with_profile_folder("");
        let error = check(Some(&nameless)).unwrap_err();
        assert!(error.to_string().starts_with("`profile_folder`"), "{error}");
        check(Some(&settings.with_profile_folder("."))).unwrap();
    }
}
