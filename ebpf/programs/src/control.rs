//! What user space asks of the kernel: a program that is attached to nothing and run by `BPF_PROG_TEST_RUN`.
//!
//! It runs on the thread that asks, so the kernel itself says which thread that is: what a PID namespace calls it
//! does not matter. With preemption off, the thread cannot be switched meanwhile.

use crate::abi::{ABI_VERSION, KernelLine, PROCESS_SLOT, control, state};
use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use aya_ebpf::programs::RawTracePointContext;

use crate::maps::{forget, process, remember, slot, watch};

/// `control(request, slot, tid)`.
///
/// Spelt out: what aya's attribute makes of it answers nothing but 0.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/control")]
pub fn control(ctx: *mut c_void) -> i32 {
    let ctx = RawTracePointContext::new(ctx);
    let request: u64 = ctx.arg(0);
    let number = ctx.arg::<u64>(1) as u32;
    let answer = match request {
        control::ADOPT => adopt(),
        control::REGISTER => register(number),
        control::UNREGISTER => unregister(number, ctx.arg::<u64>(2) as u32),
        _ => control::UNKNOWN,
    };
    answer as i32
}

#[inline(always)]
fn adopt() -> u32 {
    let Some(process) = process() else {
        return control::NO_SUCH_SLOT;
    };
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    // SAFETY: a slot that was found is valid.
    unsafe { (*process).tgid = tgid };
    watch(tgid);
    ABI_VERSION
}

#[inline(always)]
fn register(number: u32) -> u32 {
    if number == PROCESS_SLOT {
        return control::NO_SUCH_SLOT;
    }
    let Some(slot) = slot(number) else {
        return control::NO_SUCH_SLOT;
    };
    let tid = bpf_get_current_pid_tgid() as u32;
    // SAFETY: the slot was found. Nobody else writes its line: no thread is known to have it, and this one cannot
    // be switched.
    unsafe {
        (*slot).kernel = KernelLine {
            on_cpu_ns: 0,
            blocked_ns: 0,
            run_queue_ns: 0,
            since_ns: bpf_ktime_get_ns(),
            voluntary: 0,
            involuntary: 0,
            page_faults: 0,
            state: state::RUNNING,
            tid,
            delay_64ns: 0,
            cpu_time_ns: 0,
        };
    }
    if remember(tid, number) {
        return control::DONE;
    }
    // SAFETY: as above.
    unsafe {
        (*slot).kernel.state = state::FREE;
        (*slot).kernel.tid = 0;
    }
    control::FULL
}

#[inline(always)]
fn unregister(number: u32, tid: u32) -> u32 {
    let Some(slot) = slot(number) else {
        return control::NO_SUCH_SLOT;
    };
    // A thread that came later under the same number may have another slot by now: its entry is not ours to take.
    if crate::maps::number(tid) == Some(number) {
        forget(tid);
    }
    // SAFETY: the slot was found.
    unsafe {
        if (*slot).kernel.tid == tid {
            (*slot).kernel.tid = 0;
            (*slot).kernel.state = state::FREE;
        }
    }
    control::DONE
}
