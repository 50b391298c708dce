//! What each span did with its time (feature `ebpf`), by programs in the kernel and without a trap per span.
//!
//! For `init!` it is the argument `ebpf`, for the builder
//! [`EnhancedPipeline::with_ebpf_profiling`](crate::EnhancedPipeline::with_ebpf_profiling).
//!
//! # Minimum kernel version
//!
//! 5.15 with BTF for [`Tier::Full`], with `CAP_BPF` and `CAP_PERFMON` while the session is opened; afterwards every
//! capability can be dropped. What is left with less is in [`Tier`]; none of them is an error.

mod handle;
mod status;

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod running;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "elsewhere.rs"]
mod running;

pub use crate::config::{EbpfSettings, EbpfSpans};
pub use handle::EbpfHandle;
pub(crate) use running::{EbpfLease, open};
pub use status::{EbpfStatus, Tier};
