//! How much of it this process has.

use std::fmt;

/// What a process can have, from the least to the most.
///
/// # Minimum kernel version
///
/// Of each in its text; [`Tier::OwnThreads`] needs neither eBPF nor a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tier {
    /// Nothing: this is no Linux on x86-64 or AArch64.
    OtherSystem,
    /// No figures: contexts tell another observer, and there can be one alone.
    ObserverTaken,
    /// No capability, or a kernel older than 5.15: CPU time, waits as one sum, switches and page faults by the
    /// kernel's accounts of each thread, for the outermost span on a thread alone, because asking takes system calls.
    OwnThreads,
    /// `CAP_BPF` and `CAP_PERFMON`, Linux 5.15, but no BTF, or a kernel that refuses what that is for: the same figures,
    /// and samples.
    Samples,
    /// The same capabilities, Linux 5.15 and BTF: everything.
    Full,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherSystem => "spans have no figures: this is no Linux on x86-64 or AArch64",
            Self::ObserverTaken => {
                "spans have no figures: contexts tell another observer, of which there can be one"
            }
            Self::OwnThreads => {
                "outermost spans have figures of their thread; eBPF is not to be had"
            }
            Self::Samples => {
                "outermost spans have figures of their thread, and samples can be taken; \
                 eBPF accounts for no thread"
            }
            Self::Full => "all spans have figures",
        })
    }
}

/// What was found when the session was opened.
///
/// # Minimum kernel version
///
/// None.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EbpfStatus {
    /// How much there is.
    pub tier: Tier,
    /// What the kernel refused, each with what was tried and the kernel's reason, from the highest tier downward; and the
    /// capabilities that it takes, where the reason was that.
    pub refusals: Vec<String>,
}

impl fmt::Display for EbpfStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ebpf: {}", self.tier)?;
        if !self.refusals.is_empty() {
            write!(f, " ({})", self.refusals.join("; "))?;
        }
        Ok(())
    }
}
