//! How much of it this kernel and these privileges allow.

use super::error::{Refusal, Step};
use super::sys;

/// What a process can have, from the least to the most.
///
/// # Minimum kernel version
///
/// 5.15 for everything above [`Tier::OwnThreads`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tier {
    /// Nothing: the kernel has no perf events, or forbids them.
    Off,
    /// No capability: perf events of one's own threads, which this crate does not open by itself.
    OwnThreads,
    /// No BTF, or a scheduler that is not known: samples, without accounting.
    Samples,
    /// Everything.
    Full,
}

impl Tier {
    /// What is left where nothing can be loaded.
    pub(crate) fn without_programs() -> (Self, Option<Refusal>) {
        match sys::open_own_event() {
            Ok(_) => (Self::OwnThreads, None),
            Err(error) => (Self::Off, Some(Refusal::io(Step::OpenOwnEvent, &error))),
        }
    }
}
