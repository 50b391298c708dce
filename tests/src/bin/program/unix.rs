//! The system calls of the cases.
#![expect(
    unsafe_code,
    reason = "fork and waitpid have no safe counterpart in std"
)]

use std::io;

/// Which process this is.
pub(crate) enum Forked {
    Child,
    Parent(Child),
}

/// A child of this process.
pub(crate) struct Child(libc::pid_t);

/// Divides the process.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the callers hold no locks, and what their children use (malloc, std's streams) is usable
    // after a fork of the GNU C library.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(Child(pid))),
    }
}

impl Child {
    /// Waits for its end, and returns its exit code.
    pub(crate) fn wait(self) -> io::Result<i32> {
        let mut status = 0;
        // SAFETY: `status` is a live local, and the pid is that of a child not waited for yet.
        if unsafe { libc::waitpid(self.0, &mut status, 0) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(libc::WEXITSTATUS(status))
    }
}

/// Ends the process at once, without any handler.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}
