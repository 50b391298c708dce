//! Reading a `task_struct` that a tracepoint was given.

use core::ffi::c_void;
use core::ptr::read_volatile;

use crate::settings;

/// A task, as the verifier trusts it: loads from it need no helper.
#[derive(Clone, Copy)]
pub(crate) struct Task(pub(crate) *const c_void);

impl Task {
    #[inline(always)]
    pub(crate) fn pid(self) -> u32 {
        self.word(settings::task_pid())
    }

    #[inline(always)]
    pub(crate) fn tgid(self) -> u32 {
        self.word(settings::task_tgid())
    }

    /// Zero for a task that could run.
    #[inline(always)]
    pub(crate) fn state(self) -> u32 {
        self.word(settings::task_state())
    }

    /// Time on a CPU in nanoseconds; up to this moment for a task that is switched or not running.
    #[inline(always)]
    pub(crate) fn cpu_time(self) -> u64 {
        self.double(settings::task_cpu_time())
    }

    /// Nanoseconds that it waited for a CPU in all, without a wait that goes on.
    #[inline(always)]
    pub(crate) fn run_delay(self) -> u64 {
        self.double(settings::task_run_delay())
    }

    /// Nanoseconds that it has been waiting for this CPU, which it gets now, since it was put into the queue.
    ///
    /// Both times are the clock's that the scheduler read for this switch and when it put the task there.
    #[inline(always)]
    pub(crate) fn delay(self) -> u64 {
        let since = self.double(settings::task_last_queued());
        if since == 0 {
            return 0;
        }
        // SAFETY: as below.
        let now = unsafe {
            let queue: *const c_void = self.at(settings::task_queue());
            let cpus: *const c_void = at(queue, settings::queue_cpus());
            at::<u64>(cpus, settings::queue_clock())
        };
        now.saturating_sub(since)
    }

    #[inline(always)]
    fn word(self, offset: u32) -> u32 {
        // SAFETY: the loader took the offset from the kernel's BTF.
        unsafe { self.at(offset) }
    }

    #[inline(always)]
    fn double(self, offset: u32) -> u64 {
        // SAFETY: as above.
        unsafe { self.at(offset) }
    }

    #[inline(always)]
    unsafe fn at<T>(self, offset: u32) -> T {
        // SAFETY: the caller's promise.
        unsafe { at(self.0, offset) }
    }
}

/// Reads a member of a structure of the kernel's.
///
/// # Safety
///
/// The offset must be that of such a member; the kernel handles a fault.
#[inline(always)]
unsafe fn at<T>(structure: *const c_void, offset: u32) -> T {
    // SAFETY: the caller's promise.
    unsafe { read_volatile(structure.byte_add(offset as usize).cast()) }
}
