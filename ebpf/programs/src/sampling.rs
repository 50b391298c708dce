//! Samples: where a thread is, and on behalf of which span.

use core::ffi::c_void;
use core::intrinsics::{AtomicOrdering, atomic_xadd};

use crate::abi::{MAX_REGISTERS, MAX_STACK, PROCESS_SLOT, Process, Record, Sample, Slot, flag};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{
    BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_RING_SIZE,
};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::{
    bpf_get_current_task_btf, bpf_probe_read_kernel, bpf_probe_read_user, bpf_ringbuf_output,
    bpf_ringbuf_query, bpf_task_pt_regs,
};
use aya_ebpf::macros::perf_event;
use aya_ebpf::programs::PerfEventContext;

use crate::maps::{SAMPLES, process, scratch, slot_of, watched};
use crate::settings;

/// On every tick, where the kernel has BTF.
#[perf_event]
pub fn sample(ctx: PerfEventContext) -> i32 {
    take(&ctx, |_| {
        // SAFETY: the task is the current one.
        unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) as *const c_void }
    });
    0
}

/// On every tick, where it has none: from inside the kernel there is no way to the registers of user space.
#[perf_event]
pub fn sample_plain(ctx: PerfEventContext) -> i32 {
    take(&ctx, |sample| {
        sample.flags |= flag::NO_REGISTERS;
        sample.registers = [0; MAX_REGISTERS];
        core::ptr::null()
    });
    0
}

#[inline(always)]
fn take(
    ctx: &PerfEventContext,
    entered_with: impl FnOnce(&mut Sample) -> *const c_void,
) -> Option<()> {
    if ctx.tgid() != watched() {
        return None;
    }
    let process = process()?;
    // SAFETY: a slot that was found is valid.
    unsafe {
        if (*process).sampling == 0 {
            return None;
        }
    }
    let record = scratch()?;
    // SAFETY: as above; nothing else uses the scratch on this CPU meanwhile.
    let sample = unsafe { &mut (*record).sample };
    sample.time_ns = unsafe { bpf_ktime_get_ns() };
    sample.tid = ctx.pid();
    sample.flags = 0;
    sample.padding = 0;
    sample.stack_len = 0;
    sample.stack_depth = 0;
    sample.blocked_ns = 0;
    let stack_end = identify(sample, process);

    let mut registers: *const c_void = interrupted(ctx);
    if is_kernel(registers) {
        sample.flags |= flag::KERNEL;
        registers = entered_with(sample);
    }
    let mut length = 0;
    if !registers.is_null() {
        length = state(record, registers, stack_end);
    }
    send(record, length, process);
    Some(())
}

/// Copies the registers, and the stack that they point to; returns the bytes of that.
#[inline(always)]
pub(crate) fn state(record: *mut Record, registers: *const c_void, stack_end: u64) -> u64 {
    // SAFETY: the room is as large as the largest set of registers.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut (*record).sample.registers).cast(),
            settings::registers_size(),
            registers,
        );
    }
    stack(record, stack_end)
}

/// Writes whose sample it is; returns where the thread's stack ends.
#[inline(always)]
fn identify(sample: &mut Sample, process: *mut Process) -> u64 {
    sample.trace_id = [0; 16];
    sample.span_id = [0; 8];
    sample.tag = 0;
    sample.slot = PROCESS_SLOT;
    let Some((number, slot)) = slot_of(sample.tid) else {
        // SAFETY: the process's slot is valid.
        unsafe { count(&raw mut (*process).strangers) };
        return 0;
    };
    sample.slot = number;
    span(sample, slot)
}

/// Writes which span is active; returns where the thread's stack ends.
#[inline(always)]
pub(crate) fn span(sample: &mut Sample, slot: *const Slot) -> u64 {
    // SAFETY: the slot was found. Its thread is on this CPU, interrupted: what it was writing, it goes on writing.
    unsafe {
        let user = &raw const (*slot).user;
        if core::ptr::read_volatile(&raw const (*user).valid) == 1 {
            sample.flags |= flag::SPAN;
            sample.trace_id = (*user).trace_id;
            sample.span_id = (*user).span_id;
            sample.tag = (*user).tag;
        }
        (*user).stack_end
    }
}

/// The registers of whatever the timer interrupted.
#[inline(always)]
fn interrupted(ctx: &PerfEventContext) -> *const c_void {
    let mut registers: *const c_void = core::ptr::null();
    // SAFETY: the context of a perf event begins with a pointer to them. Read by the helper, because loads from the
    // context itself are rewritten, each for one register.
    unsafe {
        bpf_probe_read_kernel((&raw mut registers).cast(), 8, ctx.as_ptr());
    }
    registers
}

/// Whether these registers are those of kernel code, which is in the upper half of the address space.
#[inline(always)]
fn is_kernel(registers: *const c_void) -> bool {
    let mut ip = 0_u64;
    // SAFETY: the helper handles a fault.
    unsafe {
        let at = registers.byte_add(settings::register_ip() as usize * 8);
        bpf_probe_read_kernel((&raw mut ip).cast(), 8, at);
    }
    ip >> 63 != 0
}

/// Copies the stack from its pointer upward; returns the bytes that were copied.
#[inline(always)]
fn stack(record: *mut Record, stack_end: u64) -> u64 {
    // SAFETY: the loader says which register is the stack pointer, below the number of registers there are.
    let sp = unsafe {
        let registers = (&raw const (*record).sample.registers).cast::<u64>();
        *registers.add(settings::register_sp() as usize)
    };
    if stack_end > sp {
        let depth = stack_end - sp;
        // SAFETY: the record is valid.
        unsafe { (*record).sample.stack_depth = depth };
        let length = if depth > MAX_STACK as u64 {
            unsafe { (*record).sample.flags |= flag::TRUNCATED };
            MAX_STACK as u64
        } else {
            depth
        };
        if copy(record, length, sp) {
            return length;
        }
    }
    // Not on the stack that was registered, or on one that we do not know: as much as there is.
    let mut length = MAX_STACK as u64;
    for _ in 0..5 {
        if copy(record, length, sp) {
            return length;
        }
        length /= 2;
    }
    0
}

#[inline(always)]
fn copy(record: *mut Record, length: u64, sp: u64) -> bool {
    // SAFETY: the length is at most that of the room; the helper handles a fault.
    unsafe {
        bpf_probe_read_user(
            (&raw mut (*record).stack).cast(),
            length as u32,
            sp as *const c_void,
        ) == 0
    }
}

#[inline(always)]
pub(crate) fn send(record: *mut Record, length: u64, process: *mut Process) {
    let length = if length > MAX_STACK as u64 {
        MAX_STACK as u64
    } else {
        length
    };
    // SAFETY: record and slot are valid; the length ends within the record.
    unsafe {
        (*record).sample.stack_len = length as u32;
        let ring = (&raw const SAMPLES).cast_mut().cast::<c_void>();
        // The reader wakes by itself now and then; only a ring that fills up calls it.
        let waiting = bpf_ringbuf_query(ring.cast(), BPF_RB_AVAIL_DATA.into());
        let size = bpf_ringbuf_query(ring.cast(), BPF_RB_RING_SIZE.into());
        let wake = if waiting > size / 2 {
            BPF_RB_FORCE_WAKEUP
        } else {
            BPF_RB_NO_WAKEUP
        };
        let sent = bpf_ringbuf_output(
            ring.cast(),
            record.cast(),
            size_of::<Sample>() as u64 + length,
            wake.into(),
        );
        if sent == 0 {
            count(&raw mut (*process).samples);
        } else {
            count(&raw mut (*process).lost);
        }
    }
}

/// Counts what several CPUs may count at once.
///
/// # Safety
///
/// The counter must be valid.
#[inline(always)]
pub(crate) unsafe fn count(counter: *mut u64) {
    // SAFETY: the caller's promise. The intrinsic, because the standard library has no such method for a target
    // without compare and swap, which this one lacks in its first version.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, 1) };
}
