//! What the programs in the kernel and user space share.
//!
//! Every type is `repr(C)`, of fixed-width integers, with its padding written out and its size and offsets
//! asserted. Integers have the byte order of the machine: both sides run on the same one.

use core::mem::{offset_of, size_of};

/// Changes with each incompatible change of this module; the object carries the number it was built with.
pub const ABI_VERSION: u32 = 3;

/// The slot that belongs to the process and to no thread; see [`Process`].
pub const PROCESS_SLOT: u32 = 0;

/// Bytes of user stack that a sample holds at most.
pub const MAX_STACK: usize = 16 * 1024;

/// Registers that a sample holds at most: enough for `user_pt_regs` of AArch64, the largest we know.
pub const MAX_REGISTERS: usize = 34;

/// The line of a slot that user space writes and the kernel reads: which span is active on this thread.
///
/// Its first 28 bytes are laid out as the thread context record of OTEP 4947, so that a pointer to it can be
/// published as `otel_thread_ctx_v1`.
///
/// # Minimum kernel version
///
/// 5.15: the line lies in an array that is mapped into the process.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct UserLine {
    /// The active span's trace, in the order of the wire.
    pub trace_id: [u8; 16],
    /// The active span.
    pub span_id: [u8; 8],
    /// 1 while the ids are complete and a span is active, 0 while they are written and between spans.
    pub valid: u8,
    /// The trace flags of W3C Trace Context, as the active span's context has them.
    pub trace_flags: u8,
    /// Bytes of attributes that follow in the record of the OTEP: none.
    pub attrs_data_size: u16,
    /// Zero.
    pub padding: [u8; 4],
    /// The thread's stack ends below this address; 0 if unknown.
    pub stack_end: u64,
    /// Whatever user space wants to find in samples, such as a number for the span's name.
    pub tag: u64,
    /// Zero.
    pub unused: [u8; 16],
}

/// The line of a slot that the kernel writes: what the thread did since it was registered.
///
/// `on_cpu_ns + blocked_ns + run_queue_ns + (now - since_ns)` is the time since the thread was registered,
/// where `now` is `CLOCK_MONOTONIC`: no nanosecond is counted twice or lost.
///
/// # Minimum kernel version
///
/// 5.15 with BTF.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct KernelLine {
    /// Time on a CPU, up to the last time that it was taken off one, in nanoseconds.
    pub on_cpu_ns: u64,
    /// Time asleep, waiting for something other than a CPU, in nanoseconds.
    pub blocked_ns: u64,
    /// Time ready to run, waiting for a CPU, in nanoseconds. Of the time since a sleep began, that is what the scheduler
    /// accounts as such (`/proc/…/schedstat`); what it takes to get going on a CPU that was idle is none of it.
    pub run_queue_ns: u64,
    /// `CLOCK_MONOTONIC` when [`state`](Self::state) began; while the thread runs, when it got its CPU.
    pub since_ns: u64,
    /// Times that it went to sleep. Wraps.
    pub voluntary: u32,
    /// Times that it was taken off its CPU though it could have run on. Wraps.
    pub involuntary: u32,
    /// Page faults, minor and major. Wraps.
    pub page_faults: u32,
    /// One of [`state`](mod@state).
    pub state: u32,
    /// The thread, by its number in the initial PID namespace; 0 while nobody has the slot.
    pub tid: u32,
    /// How long the thread had waited for CPUs by the scheduler's own account when it was last taken off one, in
    /// 64 ns. Wraps.
    pub delay_64ns: u32,
    /// The thread's CPU time as the kernel accounts it, `CLOCK_THREAD_CPUTIME_ID`, at the last switch or waking;
    /// 0 before the first. What it grew by while [`state`](Self::state) is a wait was no wait.
    pub cpu_time_ns: u64,
}

/// What one thread and the kernel know of each other: two cache lines, each with one writer.
///
/// # Minimum kernel version
///
/// 5.15.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(128))]
pub struct Slot {
    /// Written by the thread.
    pub user: UserLine,
    /// Written by the kernel.
    pub kernel: KernelLine,
}

/// What lies in the first slot, [`PROCESS_SLOT`]: what is the process's.
///
/// # Minimum kernel version
///
/// 5.15.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(128))]
pub struct Process {
    /// User space: 1 for samples, 0 for none, at once and without a system call.
    pub sampling: u32,
    /// Zero.
    pub padding: [u32; 15],
    /// Kernel: the process, by its number in the initial PID namespace.
    pub tgid: u32,
    /// Zero.
    pub padding_too: u32,
    /// Kernel: samples that found the ring full.
    pub lost: u64,
    /// Kernel: samples in the ring or read from it.
    pub samples: u64,
    /// Kernel: samples of threads that are not registered.
    pub strangers: u64,
    /// Kernel: sleeps within a span that were not looked at, because the thread's slot is beyond the room for them.
    pub unwatched: u64,
    /// Zero.
    pub unused: [u64; 3],
}

/// What a thread does, in [`KernelLine::state`].
pub mod state {
    /// Nobody has the slot.
    pub const FREE: u32 = 0;
    /// On a CPU.
    pub const RUNNING: u32 = 1;
    /// Ready, waiting for a CPU.
    pub const RUNNABLE: u32 = 2;
    /// Asleep.
    pub const BLOCKED: u32 = 3;
}

/// What the program `control` is asked for, in its first argument.
pub mod control {
    /// Takes the calling process for the one to watch. Returns [`ABI_VERSION`](super::ABI_VERSION).
    pub const ADOPT: u64 = 1;
    /// Gives the slot of the second argument to the calling thread.
    pub const REGISTER: u64 = 2;
    /// Takes the slot of the second argument from the thread of the third.
    pub const UNREGISTER: u64 = 3;

    /// Done.
    pub const DONE: u32 = 0;
    /// The slot does not exist.
    pub const NO_SUCH_SLOT: u32 = 1;
    /// The table of threads is full.
    pub const FULL: u32 = 2;
    /// There is no such request.
    pub const UNKNOWN: u32 = 3;
}

/// What a [`Sample`] says of itself, in [`Sample::flags`].
pub mod flag {
    /// The ids are those of the span that was active.
    pub const SPAN: u16 = 1;
    /// The thread was in a system call or a fault: registers and stack are those it entered the kernel with.
    pub const KERNEL: u16 = 1 << 1;
    /// The stack was longer than what was copied.
    pub const TRUNCATED: u16 = 1 << 2;
    /// There are no registers, and hence no stack: the thread was in the kernel, whose BTF is not known.
    pub const NO_REGISTERS: u16 = 1 << 3;
    /// Not a tick of the clock: the thread slept for [`blocked_ns`](super::Sample::blocked_ns), with this stack.
    pub const OFF_CPU: u16 = 1 << 4;
}

/// The head of a record in the ring of samples; [`stack_len`](Self::stack_len) bytes of the user stack follow,
/// from the stack pointer upward.
///
/// # Minimum kernel version
///
/// 5.15; without BTF, samples from inside the kernel have no registers.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Sample {
    /// `CLOCK_MONOTONIC`, in nanoseconds; when it went to sleep, if [`flag::OFF_CPU`] is set.
    pub time_ns: u64,
    /// The trace of the span that was active, if [`flag::SPAN`] is set.
    pub trace_id: [u8; 16],
    /// The span that was active, if [`flag::SPAN`] is set.
    pub span_id: [u8; 8],
    /// [`UserLine::tag`].
    pub tag: u64,
    /// The thread's slot.
    pub slot: u32,
    /// The thread, by its number in the initial PID namespace.
    pub tid: u32,
    /// See [`flag`](mod@flag).
    pub flags: u16,
    /// Zero.
    pub padding: u16,
    /// Bytes of stack that follow.
    pub stack_len: u32,
    /// How long the stack is in all, in bytes; 0 if unknown.
    pub stack_depth: u64,
    /// How long the thread slept, if [`flag::OFF_CPU`] is set, in nanoseconds; its wait for a CPU afterwards is not
    /// part of it.
    pub blocked_ns: u64,
    /// The registers of user space, in the order of the kernel's `pt_regs` (x86-64) or `user_pt_regs`
    /// (AArch64).
    pub registers: [u64; MAX_REGISTERS],
}

/// A record as it is put together: a sample's head and the room for its stack.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Record {
    /// The head.
    pub sample: Sample,
    /// The stack, as far as it was copied.
    pub stack: [u8; MAX_STACK],
}

const _: () = {
    assert!(size_of::<UserLine>() == 64);
    assert!(offset_of!(UserLine, trace_id) == 0);
    assert!(offset_of!(UserLine, span_id) == 16);
    assert!(offset_of!(UserLine, valid) == 24);
    assert!(offset_of!(UserLine, trace_flags) == 25);
    assert!(offset_of!(UserLine, attrs_data_size) == 26);
    assert!(offset_of!(UserLine, stack_end) == 32);
    assert!(offset_of!(UserLine, tag) == 40);

    assert!(size_of::<KernelLine>() == 64);
    assert!(offset_of!(KernelLine, on_cpu_ns) == 0);
    assert!(offset_of!(KernelLine, blocked_ns) == 8);
    assert!(offset_of!(KernelLine, run_queue_ns) == 16);
    assert!(offset_of!(KernelLine, since_ns) == 24);
    assert!(offset_of!(KernelLine, voluntary) == 32);
    assert!(offset_of!(KernelLine, involuntary) == 36);
    assert!(offset_of!(KernelLine, page_faults) == 40);
    assert!(offset_of!(KernelLine, state) == 44);
    assert!(offset_of!(KernelLine, tid) == 48);
    assert!(offset_of!(KernelLine, delay_64ns) == 52);
    assert!(offset_of!(KernelLine, cpu_time_ns) == 56);

    assert!(size_of::<Slot>() == 128);
    assert!(offset_of!(Slot, user) == 0);
    assert!(offset_of!(Slot, kernel) == 64);

    assert!(size_of::<Process>() == size_of::<Slot>());
    assert!(offset_of!(Process, sampling) == 0);
    // What the kernel writes is on a line of its own.
    assert!(offset_of!(Process, tgid) == 64);
    assert!(offset_of!(Process, lost) == 72);
    assert!(offset_of!(Process, samples) == 80);
    assert!(offset_of!(Process, strangers) == 88);
    assert!(offset_of!(Process, unwatched) == 96);

    assert!(size_of::<Sample>() == 344);
    assert!(offset_of!(Sample, trace_id) == 8);
    assert!(offset_of!(Sample, span_id) == 24);
    assert!(offset_of!(Sample, tag) == 32);
    assert!(offset_of!(Sample, slot) == 40);
    assert!(offset_of!(Sample, tid) == 44);
    assert!(offset_of!(Sample, flags) == 48);
    assert!(offset_of!(Sample, stack_len) == 52);
    assert!(offset_of!(Sample, stack_depth) == 56);
    assert!(offset_of!(Sample, blocked_ns) == 64);
    assert!(offset_of!(Sample, registers) == 72);
    assert!(offset_of!(Record, stack) == size_of::<Sample>());
    assert!(size_of::<Record>() == size_of::<Sample>() + MAX_STACK);
};
