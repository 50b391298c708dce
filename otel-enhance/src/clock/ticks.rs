//! Where a clock reads the time: the machine's tick counter, and the system's two clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a [`Clock`](super::Clock) is built on. Tests inject one that steps.
pub(crate) trait TimeSource: Send + Sync {
    /// Whether [`ticks`](Self::ticks) counts evenly, on all processors alike, and never backwards.
    fn has_ticks(&self) -> bool;
    /// A counter that is cheap to read, of unknown but constant rate.
    fn ticks(&self) -> u64;
    /// Nanoseconds of the system's monotonic clock.
    fn monotonic(&self) -> u64;
    /// Nanoseconds since 1970 of the system's wall clock.
    fn wall(&self) -> u64;
}

/// The running machine.
#[derive(Debug)]
pub(crate) struct Machine {
    epoch: Instant,
    has_ticks: bool,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            has_ticks: counter::is_usable(),
        }
    }

    /// The tick counter, which is every such value's.
    #[inline(always)]
    pub(crate) fn read() -> u64 {
        counter::read()
    }
}

impl TimeSource for Machine {
    #[inline(always)]
    fn has_ticks(&self) -> bool {
        self.has_ticks
    }

    #[inline(always)]
    fn ticks(&self) -> u64 {
        Self::read()
    }

    fn monotonic(&self) -> u64 {
        // 584 years.
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn wall(&self) -> u64 {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
    }
}

// Miri knows neither instruction.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod counter {
    #![expect(unsafe_code, reason = "the time stamp counter is read by intrinsics")]

    use std::arch::x86_64::_rdtsc;

    /// The processor says that its counter runs evenly in every power state, and the kernel, which
    /// compares the counters of all processors while it boots and after, has not turned it down.
    pub(super) fn is_usable() -> bool {
        is_invariant() && kernel_trusts_it()
    }

    fn is_invariant() -> bool {
        const HIGHEST_LEAF: u32 = 0x8000_0000;
        const POWER_LEAF: u32 = 0x8000_0007;
        const INVARIANT: u32 = 1 << 8;
        cpuid(HIGHEST_LEAF).0 >= POWER_LEAF && cpuid(POWER_LEAF).1 & INVARIANT != 0
    }

    /// `eax` and `edx` of a leaf.
    fn cpuid(leaf: u32) -> (u32, u32) {
        // Unsafe up to Rust 1.93 only.
        #[expect(
            clippy::allow_attributes,
            reason = "`expect` would fail where the block is needed"
        )]
        #[allow(unused_unsafe, reason = "unsafe in older compilers")]
        // SAFETY: every x86-64 processor has the instruction.
        let result = unsafe { std::arch::x86_64::__cpuid(leaf) };
        (result.eax, result.edx)
    }

    #[cfg(target_os = "linux")]
    fn kernel_trusts_it() -> bool {
        // A counter found unstable is not listed. Where the list cannot be read (a sandbox), the
        // processor's word counts.
        std::fs::read_to_string(
            "/sys/devices/system/clocksource/clocksource0/available_clocksource",
        )
        .map_or(true, |list| {
            list.split_ascii_whitespace().any(|name| name == "tsc")
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn kernel_trusts_it() -> bool {
        true
    }

    #[inline(always)]
    pub(super) fn read() -> u64 {
        // SAFETY: every x86-64 processor has the instruction. Where the kernel forbids it
        // (`PR_SET_TSC`), so that it faults, the vDSO's clocks fault as well.
        unsafe { _rdtsc() }
    }
}

#[cfg(any(not(target_arch = "x86_64"), miri))]
mod counter {
    pub(super) fn is_usable() -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn read() -> u64 {
        0
    }
}
