//! What each span did with its time (feature `ebpf`), by programs in the kernel and without a trap per span.
//!
//! For `init!` it is the argument `ebpf`, for the builder
//! [`EnhancedPipeline::with_ebpf_profiling`](crate::EnhancedPipeline::with_ebpf_profiling); a service that builds its
//! own provider takes [`EbpfTracerExtension`].
//!
//! # What a span ends with
//!
//! Every sampled span that was ever active on a thread, which is every one of an annotated function and every one
//! that was attached by hand. All are integers; times are nanoseconds. There are no semantic conventions for
//! these.
//!
//! | attribute | what |
//! |---|---|
//! | `otel_enhance.cpu.time` | on a CPU |
//! | `otel_enhance.blocked.time` | asleep: waiting for something other than a CPU |
//! | `otel_enhance.run_queue.time` | ready, waiting for a CPU |
//! | `otel_enhance.context_switches.voluntary`, `.involuntary` | times it went to sleep, and was taken off its CPU |
//! | `otel_enhance.page_faults` | minor and major together, as the metric `process.paging.faults` is where it names no type |
//! | `otel_enhance.self.…` | the same without the spans that were active on top of it, if there were any |
//! | `otel_enhance.polls` | times it became active, if more than once: of a future its polls |
//! | `otel_enhance.between_polls.time` | of its duration, when it was not active; beside `polls` |
//! | `otel_enhance.waiting.time` | blocked or ready, in the place of both, below [`Tier::Full`] |
//!
//! CPU time, blocked and run queue add up to the time that the span was active. That is on all threads: of a future,
//! all its polls. What a span started elsewhere (a spawned task, another thread) counts for the span that is active
//! there. Spans that are not sampled count for those around them. The counts wrap at 2^32. On a virtual machine what the
//! hypervisor takes of a CPU counts as time on it for the thread that has it, which a thread's own CPU clock leaves out.
//!
//! Of contexts that are attached on top of each other on one thread 64 are told apart: spans that are active beyond those
//! alone have no figures, and count for the one below them. A context that is detached while others are still on top of it
//! counts as active until they go, for nobody is told; its own time, `self`, is without them.
//!
//! These attributes are added where spans are exported, beyond the limit of attributes per span, and other processors
//! do not see them. Of spans that are ended while another thread still has them active, what that thread does is not
//! known yet, and is missing; of an annotated future's span that is ended by somebody else between two polls, what it did
//! in the polls before.
//!
//! # What it costs
//!
//! See ARCHITECTURE.md, and `cargo bench --bench ebpf` for your machine.
//!
//! # Minimum kernel version
//!
//! 5.15 with BTF for [`Tier::Full`], with `CAP_BPF` and `CAP_PERFMON` while the session is opened; afterwards every
//! capability can be dropped. What is left with less is in [`Tier`]; none of them is an error.

mod handle;
mod status;

#[cfg(otel_enhance_has_ebpf)]
mod profile;
#[cfg(otel_enhance_has_ebpf)]
#[path = "linux/mod.rs"]
mod system;
#[cfg(not(otel_enhance_has_ebpf))]
#[path = "elsewhere.rs"]
mod system;

mod carried;
#[cfg_attr(
    not(otel_enhance_has_ebpf),
    expect(dead_code, reason = "nothing is counted")
)]
mod figures;
mod lists;
#[cfg_attr(
    not(otel_enhance_has_ebpf),
    expect(dead_code, reason = "nobody reads them")
)]
mod names;
mod processor;
mod rows;

use system::{running, thread};

pub use crate::config::{EbpfSettings, EbpfSpans};
#[cfg(feature = "performance")]
pub(crate) use carried::push_all;
pub(crate) use carried::{load, unload};
#[cfg(otel_enhance_has_ebpf)]
pub(crate) use figures::Between;
#[cfg(feature = "performance")]
pub(crate) use figures::{ATTRIBUTES, Figures, OnCpu};
pub use handle::EbpfHandle;
#[cfg(all(
    feature = "performance",
    any(feature = "otlp-http", feature = "otlp-grpc")
))]
pub(crate) use names::note;
pub use processor::{EbpfSpanExporter, EbpfSpanProcessor, EbpfTracerExtension};
#[cfg(otel_enhance_has_ebpf)]
pub use profile::{Frame, Profile, ProfileAccount, ProfileKind, ProfileSample};
#[cfg(any(feature = "simd", feature = "performance"))]
pub(crate) use rows::{ROWS, Row, Rows};
#[cfg(unix)]
pub(crate) use running::SessionGuard;
pub(crate) use running::{EbpfLease, open};
pub use status::{EbpfStatus, Tier};
#[cfg(otel_enhance_has_ebpf)]
pub(crate) use system::lent::Place;
#[cfg(feature = "performance")]
pub(crate) use thread::{Found, announce, as_announced, ended, ended_now, put_off, started};
pub(crate) use thread::{begun, mark};
