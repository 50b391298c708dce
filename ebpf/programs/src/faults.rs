//! Page faults, as the kernel itself counts them.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::macros::perf_event;
use aya_ebpf::programs::PerfEventContext;

use crate::maps::{line, watched};

/// On every page fault, minor or major, from user space or from a system call.
#[perf_event]
pub fn page_fault(ctx: PerfEventContext) -> i32 {
    if ctx.tgid() != watched() {
        return 0;
    }
    if let Some(line) = line(ctx.pid()) {
        // SAFETY: the line was found; the thread that faults is on this CPU, and cannot be switched meanwhile.
        unsafe { (*line).page_faults = (*line).page_faults.wrapping_add(1) };
    }
    0
}
