//! Where the time goes: every moment of a registered thread belongs to the state that it is in.
//!
//! A kernel may switch to a thread or from it without telling (seen on one: neither ftrace nor we hear of some
//! switches from a few of its tasks). The thread's CPU time, which the scheduler keeps anyway, says what we missed.
//!
//! All three programs run with the lock of a run queue held, so that a thread's line has one writer at a time.

use crate::abi::{KernelLine, state};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

use crate::maps::{kernel_line, line, process, slot_of};
use crate::off_cpu;
use crate::task::Task;

/// `sched_switch(preempt, prev, next, prev_state)`, from 5.19 on.
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let preempted: u64 = ctx.arg(0);
    let prev_state: u32 = ctx.arg(3);
    let sleeps = preempted & 1 == 0 && prev_state != 0;
    switch(Task(ctx.arg(1)), Task(ctx.arg(2)), |_| sleeps);
    0
}

/// `sched_switch(preempt, prev, next)`, before 5.18: the state is the task's own.
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch_early(ctx: BtfTracePointContext) -> i32 {
    let preempted: u64 = ctx.arg(0);
    switch(Task(ctx.arg(1)), Task(ctx.arg(2)), |prev| {
        preempted & 1 == 0 && prev.state() != 0
    });
    0
}

/// `sched_wakeup(task)`: what slept waits for a CPU from now on.
#[btf_tracepoint(function = "sched_wakeup")]
pub fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    let task = Task(ctx.arg(0));
    // SAFETY: a slot that was found is valid.
    if process().is_none_or(|process| task.tgid() != unsafe { (*process).tgid }) {
        return 0;
    }
    if let Some(line) = line(task.pid()) {
        // SAFETY: the line was found, and this CPU holds the lock of the task's run queue.
        unsafe {
            // A task that is woken before it slept goes on running.
            if (*line).state == state::BLOCKED {
                enter(line, state::RUNNABLE, bpf_ktime_get_ns(), task.cpu_time());
            }
        }
    }
    0
}

#[inline(always)]
fn switch(prev: Task, next: Task, sleeps: impl FnOnce(Task) -> bool) {
    let Some(process) = process() else {
        return;
    };
    // SAFETY: a slot that was found is valid.
    let ours = unsafe { (*process).tgid };
    let leaves = prev.tgid() == ours;
    let comes = next.tgid() == ours;
    if !leaves && !comes {
        return;
    }
    // SAFETY: no condition.
    let now = unsafe { bpf_ktime_get_ns() };
    if leaves && let Some((number, slot)) = slot_of(prev.pid()) {
        let line = kernel_line(slot);
        // SAFETY: the line was found, and this CPU holds the lock of the task's run queue.
        unsafe {
            let sleeps = sleeps(prev);
            let next = if sleeps {
                state::BLOCKED
            } else {
                state::RUNNABLE
            };
            enter(line, next, now, prev.cpu_time());
            if sleeps {
                (*line).voluntary = (*line).voluntary.wrapping_add(1);
            } else {
                (*line).involuntary = (*line).involuntary.wrapping_add(1);
            }
            if sleeps {
                off_cpu::begins(process, slot, number, prev.pid(), now);
            }
        }
    }
    if comes && let Some((number, slot)) = slot_of(next.pid()) {
        // SAFETY: as above.
        unsafe {
            enter(kernel_line(slot), state::RUNNING, now, next.cpu_time());
            off_cpu::ends(process, slot, number, next.pid());
        }
    }
}

/// Gives the time since the last change to the state that ends, and begins the next.
///
/// A turn whose begin and end we saw is taken from the clock, as waits are, so that all adds up. Of any other time,
/// what the thread's CPU time grew by was on a CPU, and the rest a wait.
///
/// # Safety
///
/// The line must be valid and nobody else's to write.
#[inline(always)]
unsafe fn enter(line: *mut KernelLine, next: u32, now: u64, cpu_time: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        let since = (*line).since_ns;
        // The clocks of two CPUs may disagree by a little; then this change was at the time of the last.
        if now > since {
            let spent = now - since;
            let last = (*line).state;
            let seen = last == state::RUNNING && next != state::RUNNING;
            let on_cpu = if seen {
                spent
            } else {
                missed(line, cpu_time, spent)
            };
            (*line).on_cpu_ns = (*line).on_cpu_ns.wrapping_add(on_cpu);
            let waited = spent - on_cpu;
            if last == state::BLOCKED {
                (*line).blocked_ns = (*line).blocked_ns.wrapping_add(waited);
            } else {
                (*line).run_queue_ns = (*line).run_queue_ns.wrapping_add(waited);
            }
            (*line).since_ns = now;
        }
        (*line).cpu_time_ns = cpu_time;
        (*line).state = next;
    }
}

/// How much of a wait was none.
///
/// # Safety
///
/// The line must be valid.
#[inline(always)]
unsafe fn missed(line: *const KernelLine, cpu_time: u64, spent: u64) -> u64 {
    // SAFETY: the caller's promise.
    let (before, last) = unsafe { ((*line).cpu_time_ns, (*line).state) };
    if before == 0 {
        // Registered since: what the state says is all that is known.
        return if last == state::RUNNING { spent } else { 0 };
    }
    let ran = cpu_time.saturating_sub(before);
    if ran < spent { ran } else { spent }
}
