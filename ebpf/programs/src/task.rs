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
        // SAFETY: as below.
        unsafe { read_volatile(self.0.byte_add(settings::task_cpu_time() as usize).cast()) }
    }

    #[inline(always)]
    fn word(self, offset: u32) -> u32 {
        // SAFETY: the loader took the offset from the kernel's BTF, and the kernel handles a fault.
        unsafe { read_volatile(self.0.byte_add(offset as usize).cast()) }
    }
}
