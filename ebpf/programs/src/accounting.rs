//! Where the time goes: every moment of a registered thread belongs to the state that it is in.
//!
//! A kernel may switch to a thread or from it without telling (seen on one: neither ftrace nor we hear of some
//! switches from a few of its tasks). The thread's CPU time, which the scheduler keeps anyway, says what we missed.
//!
//! When a sleeping thread was woken, the scheduler keeps as well, so that nothing of ours runs then: one clock reading
//! a switch gives the time since the last, and of a sleep the scheduler's own account says how much was a wait for a CPU.
//!
//! All programs run with the lock of a run queue held, so that a thread's line has one writer at a time.

use crate::abi::{KernelLine, Slot, state};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

use crate::maps::{kernel_line, slot_of_any, watched};
use crate::task::Task;
use crate::{off_cpu, settings};

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
///
/// Attached only where the scheduler does not tell how long tasks wait for a CPU.
#[btf_tracepoint(function = "sched_wakeup")]
pub fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    let task = Task(ctx.arg(0));
    if let Some((_, slot)) = slot_of_task(task) {
        let line = kernel_line(slot);
        // SAFETY: the line was found, and this CPU holds the lock of the task's run queue.
        unsafe {
            // A task that is woken before it slept goes on running.
            if (*line).state == state::BLOCKED {
                settle(line, task, bpf_ktime_get_ns(), |_, _| 0);
                (*line).state = state::RUNNABLE;
            }
        }
    }
    0
}

/// A task's slot, with its number, if it is a thread of ours.
#[inline(always)]
fn slot_of_task(task: Task) -> Option<(u32, *mut Slot)> {
    slot_of_any(task.pid(), || task.tgid() == watched())
}

#[inline(always)]
fn switch(prev: Task, next: Task, sleeps: impl FnOnce(Task) -> bool) {
    let mut now = 0;
    if let Some((number, slot)) = slot_of_task(prev) {
        let sleeps = sleeps(prev);
        // SAFETY: the slot was found, and this CPU holds the lock of the task's run queue.
        unsafe {
            now = bpf_ktime_get_ns();
            leave(kernel_line(slot), prev, sleeps, now);
            if sleeps && settings::sleep_min_us() != 0 {
                off_cpu::begins(slot, number, prev.pid(), now);
            }
        }
    }
    if let Some((number, slot)) = slot_of_task(next) {
        // SAFETY: as above.
        unsafe {
            if now == 0 {
                now = bpf_ktime_get_ns();
            }
            come(kernel_line(slot), next, now);
            if settings::sleep_min_us() != 0 {
                off_cpu::ends(slot, number, next.pid());
            }
        }
    }
}

/// The thread is taken off its CPU.
///
/// # Safety
///
/// The line must be valid and nobody else's to write.
#[inline(always)]
unsafe fn leave(line: *mut KernelLine, task: Task, sleeps: bool, now: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        if (*line).state == state::RUNNING {
            // A turn whose begin and end we saw is taken from the clock, as waits are, so that all adds up.
            let since = (*line).since_ns;
            // The clocks of two CPUs may disagree by a little; then this change was at the time of the last.
            if now > since {
                (*line).on_cpu_ns = (*line).on_cpu_ns.wrapping_add(now - since);
                (*line).since_ns = now;
            }
            (*line).cpu_time_ns = task.cpu_time();
        } else {
            settle(line, task, now, |waited, _| {
                if (*line).state == state::BLOCKED {
                    0
                } else {
                    waited
                }
            });
        }
        if settings::task_run_delay() != 0 {
            (*line).delay_64ns = (task.run_delay() >> 6) as u32;
        }
        if sleeps {
            (*line).state = state::BLOCKED;
            (*line).voluntary = (*line).voluntary.wrapping_add(1);
        } else {
            (*line).state = state::RUNNABLE;
            (*line).involuntary = (*line).involuntary.wrapping_add(1);
        }
    }
}

/// The thread gets a CPU.
///
/// # Safety
///
/// As for [`leave`].
#[inline(always)]
unsafe fn come(line: *mut KernelLine, task: Task, now: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        settle(line, task, now, |waited, ran| {
            if (*line).state != state::BLOCKED {
                waited
            } else if ran == 0 && settings::task_run_delay() != 0 {
                delay(line, task)
            } else {
                // There was a turn that we were not told of: what was before it and what after it, nobody knows.
                0
            }
        });
        (*line).state = state::RUNNING;
    }
}

/// Nanoseconds that a thread which gets a CPU has been waiting for one since it left the last.
///
/// How long it was in queues from which it was moved into this one, is what `run_delay` grew by.
///
/// # Safety
///
/// The line must be valid.
#[inline(always)]
unsafe fn delay(line: *const KernelLine, task: Task) -> u64 {
    // SAFETY: the caller's promise.
    let before = unsafe { (*line).delay_64ns };
    let elsewhere = ((task.run_delay() >> 6) as u32).wrapping_sub(before);
    task.delay() + (u64::from(elsewhere) << 6)
}

/// Divides the time since the last change: what the thread's CPU time grew by was on a CPU, and the rest a wait.
/// `queued` is told how long both were, the wait first, and says how much of that was for a CPU.
///
/// # Safety
///
/// As for [`leave`].
#[inline(always)]
unsafe fn settle(
    line: *mut KernelLine,
    task: Task,
    now: u64,
    queued: impl FnOnce(u64, u64) -> u64,
) {
    let cpu_time = task.cpu_time();
    // SAFETY: the caller's promise.
    unsafe {
        let since = (*line).since_ns;
        // As in `leave`.
        if now > since {
            let spent = now - since;
            let ran = missed(line, cpu_time, spent);
            let waited = spent - ran;
            let queued = queued(waited, ran).min(waited);
            (*line).on_cpu_ns = (*line).on_cpu_ns.wrapping_add(ran);
            (*line).blocked_ns = (*line).blocked_ns.wrapping_add(waited - queued);
            (*line).run_queue_ns = (*line).run_queue_ns.wrapping_add(queued);
            (*line).since_ns = now;
        }
        (*line).cpu_time_ns = cpu_time;
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
