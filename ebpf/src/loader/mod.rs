//! Loads the object, attaches its programs, and reads what they count.
//!
//! [`Session::load`] climbs as high as kernel and privileges let it ([`Tier`]); [`Session::register`] gives the
//! calling thread its [`ThreadSlot`], through which it says which span is active and learns what it did, without a
//! system call; [`Samples`] reads where it was. Everything is detached when the session is dropped.
//!
//! # Minimum kernel version
//!
//! 5.15, with BTF for [`Tier::Full`]; `CAP_BPF` and `CAP_PERFMON` while loading. Tracefs, bpffs and memory locks
//! (`RLIMIT_MEMLOCK`) play no part.

mod btf;
mod contexts;
mod error;
mod fork;
mod samples;
mod session;
mod shared;
mod sys;
mod thread;
mod tier;

pub use contexts::PinnedContexts;
pub use error::{LoadError, Refusal, Step};
pub use samples::Samples;
pub use session::{Options, Registrar, Session};
pub use thread::{Counters, Lines, Mark, ThreadSlot};
pub use tier::Tier;

/// `CLOCK_MONOTONIC`, in nanoseconds: the clock of all that is counted here.
///
/// # Minimum kernel version
///
/// None.
#[must_use]
pub fn monotonic_ns() -> u64 {
    sys::now()
}
