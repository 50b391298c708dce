//! What the loader knows and the programs do not: written before they are loaded and frozen then, so that the
//! verifier takes each for a constant and removes the branches not taken.
//!
//! aya-ebpf has no CO-RE relocations; these offsets, from the BTF of the running kernel, stand in for them.

use core::ptr::read_volatile;

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $reader:ident = $default:expr;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        static $name: u32 = $default;

        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $reader() -> u32 {
            // SAFETY: a reference to a static is valid. Volatile: the loader writes what stands there.
            unsafe { read_volatile(&raw const $name) }
        }
    )*};
}

settings! {
    /// Offset of `task_struct::pid`.
    TASK_PID: task_pid = 0;
    /// Offset of `task_struct::tgid`.
    TASK_TGID: task_tgid = 0;
    /// Offset of `task_struct::__state`, called `state` before 5.14.
    TASK_STATE: task_state = 0;
    /// Offset of `sched_entity::sum_exec_runtime` in `task_struct::se`.
    TASK_CPU_TIME: task_cpu_time = 0;
    /// Offset of `sched_info::run_delay` in `task_struct`; 0 where the scheduler does not tell how long tasks wait for a CPU.
    TASK_RUN_DELAY: task_run_delay = 0;
    /// Offset of `sched_info::last_queued` in `task_struct`.
    TASK_LAST_QUEUED: task_last_queued = 0;
    /// Offset of `sched_entity::cfs_rq` in `task_struct`.
    TASK_QUEUE: task_queue = 0;
    /// Offset of `cfs_rq::rq`.
    QUEUE_CPUS: queue_cpus = 0;
    /// Offset of `rq::clock`.
    QUEUE_CLOCK: queue_clock = 0;
    /// Microseconds that a sleep lasts at least to become a sample; 0 for no such samples.
    SLEEP_MIN_US: sleep_min_us = 0;
    /// Bytes of the registers that user space wants.
    REGISTERS_SIZE: registers_size = 168;
    /// Which of them, in words, is the instruction pointer.
    REGISTER_IP: register_ip = 16;
    /// Which of them, in words, is the stack pointer.
    REGISTER_SP: register_sp = 19;
}
