//! What a thread has done so far, from the programs in the kernel or from the kernel's own accounts.

use std::ptr::NonNull;

use otel_enhance_ebpf::abi::state;
use otel_enhance_ebpf::loader::{Counters, Lines, Mark, ThreadSlot};

use super::own;
use crate::clock::Watch;
use crate::extensions::ebpf::figures::Sums;

/// What a thread did until a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snap {
    /// By the clock of spans.
    pub(super) time: u64,
    /// Everything but [`Sums::active`], which is `time` here.
    pub(super) sums: Sums,
}

/// What a thread had done when it was last looked at closely, which holds until its mark is another one. That is looked at
/// for each span, and so comes first.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Known {
    mark: Mark,
    pub(super) sums: Sums,
}

impl Known {
    pub(super) const NOTHING: Self = Self {
        mark: Mark::NEVER,
        sums: Sums::ZERO,
    };

    /// Whether it still holds. Then it held at any moment since the thread was looked at.
    #[inline(always)]
    pub(super) fn holds(&self, lines: Lines<'_>) -> bool {
        lines.mark() == self.mark
    }

    /// Looks closely, at this moment or just before.
    pub(super) fn look(
        &mut self,
        slot: &ThreadSlot,
        watch: &mut Watch,
        time: Option<u64>,
        ahead: u64,
    ) -> Option<Snap> {
        let mark = slot.mark();
        let counters = slot.counters()?;
        let snap = match time {
            Some(time) => at(slot, watch, time, ahead),
            None => now(slot, watch),
        }?;
        *self = if counters.state == state::RUNNING
            && self::sums(&counters) == snap.sums
            && slot.mark() == mark
        {
            Self {
                mark,
                sums: snap.sums,
            }
        } else {
            Self::NOTHING
        };
        Some(snap)
    }
}

impl Snap {
    pub(super) const ZERO: Self = Self {
        time: 0,
        sums: Sums::ZERO,
    };

    /// What was done since `earlier`.
    #[inline(always)]
    pub(super) const fn since(&self, earlier: &Self) -> Sums {
        let mut grown = self.sums.minus(earlier.sums);
        grown.active = self.time.saturating_sub(earlier.time);
        grown.settled()
    }

    /// As if what happened in `outside` had been before.
    pub(super) const fn shifted(&mut self, outside: Sums) {
        self.time = self.time.wrapping_add(outside.active);
        let time = self.sums.active;
        self.sums = self.sums.plus(outside);
        self.sums.active = time;
    }
}

/// Where a thread reads what it did.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Nothing,
    /// The slot that the kernel writes; it is the thread's as long as this says so.
    Slot(NonNull<ThreadSlot>),
    /// The kernel's accounts of the thread, at a system call each.
    Own,
}

/// Times that are apart by more than this come from moments in that order, though from two clocks.
const CLOCKS_DIFFER_NANOS: u64 = 10_000;

/// What the thread has done, now.
fn now(slot: &ThreadSlot, watch: &mut Watch) -> Option<Snap> {
    let (counters, time) = slot.counters_and(|| watch.now().monotonic)?;
    Some(Snap {
        time,
        sums: sums(&counters),
    })
}

const fn sums(counters: &Counters) -> Sums {
    Sums {
        active: 0,
        blocked: counters.blocked_ns,
        run_queue: counters.run_queue_ns,
        voluntary: counters.voluntary,
        involuntary: counters.involuntary,
        page_faults: counters.page_faults,
    }
}

/// The same at a moment just before, if the thread has not been switched since; `ahead` is what the kernel's clock
/// is ahead of that of spans.
fn at(slot: &ThreadSlot, watch: &mut Watch, time: u64, ahead: u64) -> Option<Snap> {
    let counters = slot.counters()?;
    let on_cpu_since = counters.since_ns.wrapping_sub(ahead);
    if counters.state != state::RUNNING || on_cpu_since + CLOCKS_DIFFER_NANOS > time {
        return now(slot, watch);
    }
    Some(Snap {
        time,
        sums: sums(&counters),
    })
}

/// By the kernel's own accounts.
#[cold]
pub(super) fn own(watch: &mut Watch) -> Snap {
    let usage = own::usage();
    let cpu = own::cpu_time();
    let time = watch.now().monotonic;
    Snap {
        time,
        sums: Sums {
            active: 0,
            // Waits of both kinds grow by what time grows more than CPU time.
            blocked: time.wrapping_sub(cpu),
            run_queue: 0,
            voluntary: usage[0],
            involuntary: usage[1],
            page_faults: usage[2],
        },
    }
}
