//! What stood in the way, said so that the reader can tell whose it is to change.

use std::io;
use std::string::{String, ToString as _};
use std::vec::Vec;

use super::tier::Tier;

/// What was being done when the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Reading the kernel's BTF.
    ReadBtf,
    /// Finding in the BTF what the programs must know.
    KernelLayout,
    /// Loading a program or creating a map: takes `CAP_BPF`, and `CAP_PERFMON` for programs.
    Load,
    /// Attaching to a tracepoint of the scheduler: takes `CAP_PERFMON`.
    Attach,
    /// Opening an event on every CPU: takes `CAP_PERFMON`.
    OpenEvent,
    /// Mapping the slots.
    Map,
    /// Asking the kernel which process this is.
    Adopt,
    /// Opening an event of the calling thread alone, which takes no capability.
    OpenOwnEvent,
}

/// One thing that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step:?} failed: {reason}")]
#[non_exhaustive]
pub struct Refusal {
    /// What was being done.
    pub step: Step,
    /// The kernel's error number, where it gave one: 1 is `EPERM`.
    pub errno: Option<i32>,
    /// What it means, in words.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn io(step: Step, error: &io::Error) -> Self {
        Self {
            step,
            errno: error.raw_os_error(),
            reason: error.to_string(),
        }
    }

    pub(crate) fn other(step: Step, reason: impl Into<String>) -> Self {
        Self {
            step,
            errno: None,
            reason: reason.into(),
        }
    }

    /// Finds the error number in what aya reports, however deep it is.
    pub(crate) fn chained(step: Step, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut errno = None;
        let mut cause = Some(error);
        let mut reason = String::new();
        while let Some(current) = cause {
            if errno.is_none()
                && let Some(io) = current.downcast_ref::<io::Error>()
            {
                errno = io.raw_os_error();
            }
            let text = current.to_string();
            if !reason.contains(&text) {
                if !reason.is_empty() {
                    reason.push_str(": ");
                }
                reason.push_str(&text);
            }
            cause = current.source();
        }
        Self {
            step,
            errno,
            reason,
        }
    }
}

/// Why nothing could be loaded, and what is left to do without.
///
/// # Minimum kernel version
///
/// None: it tells what is missing.
#[derive(Debug, Clone, thiserror::Error)]
#[error("eBPF is not available ({tier:?} is): {}", list(refusals))]
#[non_exhaustive]
pub struct LoadError {
    /// What this process can still do.
    pub tier: Tier,
    /// What the kernel refused, from the highest tier downward.
    pub refusals: Vec<Refusal>,
}

impl From<Refusal> for LoadError {
    fn from(refusal: Refusal) -> Self {
        Self {
            tier: Tier::Off,
            refusals: std::vec![refusal],
        }
    }
}

fn list(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(|refusal| refusal.to_string()).collect();
    lines.join("; ")
}
