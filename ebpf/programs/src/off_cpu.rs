//! Sleeps: with which stack a thread went to sleep, sent when it comes back and slept long enough.
//!
//! How long a sleep will be is not known when it begins, and when it ends another thread's stack is mapped: so the
//! stack is copied to a place of the slot's whenever a thread goes to sleep within a span. Threads that sleep
//! outside of spans, as the idle ones of a pool do, cost nothing of that.

use core::ffi::c_void;

use crate::abi::{Slot, flag};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs};

use crate::maps::{process, sleep};
use crate::sampling::{count, send, span, state};
use crate::settings;

/// The current thread, which is `tid` and has this slot, goes to sleep.
///
/// # Safety
///
/// The slot must be valid, and its thread the current one.
#[inline(never)]
pub(crate) unsafe fn begins(slot: *const Slot, number: u32, tid: u32, now: u64) {
    let Some(process) = process() else {
        return;
    };
    // SAFETY: the caller's promise; user space writes this word.
    unsafe {
        if (*process).sampling == 0 || core::ptr::read_volatile(&raw const (*slot).user.valid) != 1
        {
            return;
        }
    }
    let Some(record) = sleep(number) else {
        // SAFETY: the caller's promise.
        unsafe { count(&raw mut (*process).unwatched) };
        return;
    };
    // SAFETY: what was found is valid, and belongs to the thread that is being switched.
    unsafe {
        let sample = &mut (*record).sample;
        sample.time_ns = now;
        sample.tid = tid;
        sample.slot = number;
        sample.flags = flag::OFF_CPU | flag::KERNEL;
        sample.padding = 0;
        sample.stack_depth = 0;
        sample.blocked_ns = (*slot).kernel.blocked_ns;
        let stack_end = span(sample, slot);
        // In this hook the thread that leaves is still the current one.
        let registers = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const c_void;
        (*record).sample.stack_len = state(record, registers, stack_end) as u32;
    }
}

/// The thread `tid`, which has this slot, got a CPU again.
///
/// # Safety
///
/// As for [`begins`]; the slot's times must be up to date.
#[inline(never)]
pub(crate) unsafe fn ends(slot: *const Slot, number: u32, tid: u32) {
    let (Some(process), Some(record)) = (process(), sleep(number)) else {
        return;
    };
    // SAFETY: as above.
    unsafe {
        let sample = &mut (*record).sample;
        // Nothing was kept, or for a thread that had the slot before.
        if sample.time_ns == 0 || sample.tid != tid {
            return;
        }
        let blocked = (*slot).kernel.blocked_ns.wrapping_sub(sample.blocked_ns);
        if blocked >= u64::from(settings::sleep_min_us()) * 1_000 {
            sample.blocked_ns = blocked;
            let length = u64::from(sample.stack_len);
            send(record, length, process);
        }
        (*record).sample.time_ns = 0;
    }
}
