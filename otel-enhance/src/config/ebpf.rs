//! What code may say of the extension `ebpf`.

use std::path::PathBuf;
use std::time::Duration;

/// Which spans the extension `ebpf` takes figures of.
///
/// # Minimum kernel version
///
/// As of [`EbpfSettings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EbpfSpans {
    /// Every sampled span that is ever active on a thread, whoever made it.
    #[default]
    All,
    /// Only spans of functions with `#[enhanced_trace(profile)]`.
    Marked,
}

/// What the extension `ebpf` watches, and how closely.
///
/// # Minimum kernel version
///
/// 5.15 with BTF for everything, with `CAP_BPF` and `CAP_PERFMON` while the pipeline is installed. Without them less
/// is watched, and the application runs on: see `extensions::ebpf::Tier`.
///
/// ```
/// use otel_enhance::config::EbpfSettings;
///
/// let settings = EbpfSettings::new().with_sample_hz(99).with_off_cpu(true);
/// assert_eq!(settings.sample_hz(), Some(99));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EbpfSettings {
    pub(crate) sample_hz: Option<u32>,
    pub(crate) off_cpu: bool,
    pub(crate) off_cpu_min: Duration,
    pub(crate) spans: EbpfSpans,
    pub(crate) max_threads: u32,
    pub(crate) page_faults: bool,
    pub(crate) publish: bool,
    pub(crate) pinned_map: Option<PathBuf>,
    pub(crate) btf: Option<PathBuf>,
    pub(crate) profile_interval: Duration,
    pub(crate) profile_folder: Option<PathBuf>,
    pub(crate) otlp_profiles: bool,
    pub(crate) profiles_endpoint: Option<String>,
}

impl Default for EbpfSettings {
    fn default() -> Self {
        Self {
            sample_hz: None,
            off_cpu: false,
            off_cpu_min: Duration::from_millis(1),
            spans: EbpfSpans::All,
            max_threads: 1023,
            page_faults: true,
            publish: true,
            pinned_map: None,
            btf: None,
            profile_interval: Duration::from_secs(60),
            profile_folder: None,
            otlp_profiles: false,
            profiles_endpoint: None,
        }
    }
}

impl EbpfSettings {
    /// Figures of every span, and no samples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes so many samples of the stack a second on every CPU that runs a thread of this process, 1 to 10,000.
    /// Default: none. 99 costs half a per cent of a computation.
    #[must_use]
    pub const fn with_sample_hz(mut self, hz: u32) -> Self {
        self.sample_hz = Some(hz);
        self
    }

    /// Takes a sample of the stack where a thread blocks within a span, too, and weighs it with how long that was.
    /// Default: no.
    ///
    /// Each time that a thread blocks within a span, however shortly, up to 16 KiB of its stack are copied: 0.7 µs on two
    /// busy cores, and 1.5 to 2.5 µs where it becomes a sample. That is done for up to 255 threads at a time;
    /// `ProfileAccount::sleeps_unwatched` counts the others' sleeps. Takes BTF.
    #[must_use]
    pub const fn with_off_cpu(mut self, enabled: bool) -> Self {
        self.off_cpu = enabled;
        self
    }

    /// How long a thread blocks at least to become a sample of [`with_off_cpu`](Self::with_off_cpu), in microseconds
    /// or more. Default: 1 ms.
    #[must_use]
    pub const fn with_off_cpu_min(mut self, time: Duration) -> Self {
        self.off_cpu_min = time;
        self
    }

    /// Which spans have figures. Default: [`EbpfSpans::All`].
    #[must_use]
    pub const fn with_spans(mut self, spans: EbpfSpans) -> Self {
        self.spans = spans;
        self
    }

    /// Threads that are watched at a time, 1 to 1,048,575, each 128 bytes; spans of further ones have no figures.
    /// Default: 1023.
    #[must_use]
    pub const fn with_max_threads(mut self, threads: u32) -> Self {
        self.max_threads = threads;
        self
    }

    /// Whether page faults are counted, which costs every fault on the machine a little. Default: yes.
    #[must_use]
    pub const fn with_page_faults(mut self, counted: bool) -> Self {
        self.page_faults = counted;
        self
    }

    /// Whether profilers in other processes can read which span a thread works for and which service this is, by
    /// OTEP 4947 and 4719. Default: yes.
    #[must_use]
    pub const fn with_publishing(mut self, enabled: bool) -> Self {
        self.publish = enabled;
        self
    }

    /// The file of a pinned map of `bpffs`, such as `/sys/fs/bpf/otel/traces_ctx_v1`, which is kept up to date with
    /// the active span of each thread, for today's OpenTelemetry eBPF profiler, which makes the map when it is started with
    /// `-obi-process-ctx`: it has to be there when the pipeline is installed. Default: none. Takes the full tier.
    ///
    /// Each change is a system call: a span that is attached and detached costs its thread 0.9 to 1 µs more.
    #[must_use]
    pub fn with_pinned_map(mut self, path: impl Into<PathBuf>) -> Self {
        self.pinned_map = Some(path.into());
        self
    }

    /// Writes the profile since the start into this folder, once an interval and at the end, in the place of what was
    /// written before: `Profile::write_to` says what. Default: none. Takes samples.
    #[must_use]
    pub fn with_profile_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.profile_folder = Some(folder.into());
        self
    }

    /// Sends OTLP Profiles to where spans go, once an interval and at the end: over HTTP to `/v1development/profiles`
    /// beside `/v1/traces`. The signal is in development; the Collector takes it with the feature gate
    /// `service.profilesSupport`. Default: no. Takes samples.
    #[must_use]
    pub const fn with_otlp_profiles(mut self, enabled: bool) -> Self {
        self.otlp_profiles = enabled;
        self
    }

    /// Where OTLP Profiles go, if not to where spans go: over HTTP the whole URL, over gRPC scheme, host and port.
    /// Headers, compression and TLS are those of spans. Implies [`with_otlp_profiles`](Self::with_otlp_profiles).
    #[must_use]
    pub fn with_profiles_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.profiles_endpoint = Some(endpoint.into());
        self.otlp_profiles = true;
        self
    }

    /// How often profiles are written and sent, a second or more. Default: once a minute.
    #[must_use]
    pub const fn with_profile_interval(mut self, interval: Duration) -> Self {
        self.profile_interval = interval;
        self
    }

    /// Where the kernel's BTF is. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_btf(mut self, path: impl Into<PathBuf>) -> Self {
        self.btf = Some(path.into());
        self
    }

    /// Samples a second, if any.
    #[must_use]
    pub const fn sample_hz(&self) -> Option<u32> {
        self.sample_hz
    }

    /// Whether samples are taken where threads block.
    #[must_use]
    pub const fn off_cpu(&self) -> bool {
        self.off_cpu
    }

    /// Which spans have figures.
    #[must_use]
    pub const fn spans(&self) -> EbpfSpans {
        self.spans
    }
}
