//! Parts of tests in a process of their own.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};

const ROLE: &str = "OTEL_ENHANCE_KERNEL_ROLE";

/// Whether this process was started by [`again`] to do what the test calls `role`.
pub fn is(role: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|found| found == role)
}

/// The command that runs this test alone in a process of its own, behind `wrapper`.
pub fn again(wrapper: &[&str], test: &str, role: &str) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = match wrapper.split_first() {
        None => Command::new(own),
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(own);
            command
        }
    };
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role);
    command
}

/// Runs it, and expects it to end well.
pub fn passes(wrapper: &[&str], test: &str, role: &str) {
    let output = again(wrapper, test, role).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}: {}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    assert!(text(&output.stdout).contains("1 passed"), "{test} ran");
}

/// Ends a child whatever happens.
#[derive(Debug)]
pub struct Kill(pub Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Gives up every capability of this thread but these, for good.
pub fn keep_capabilities(kept: &[u32]) {
    let mut data = [[0_u32; 3]; 2];
    for capability in kept {
        let sets = &mut data[*capability as usize / 32];
        // Effective and permitted, and not inheritable.
        sets[0] |= 1 << (capability % 32);
        sets[1] |= 1 << (capability % 32);
    }
    /// Version 3, this thread.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    // SAFETY: both structures are those of the kernel.
    let answer = unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), data.as_ptr()) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
}

/// Gives up every capability of this thread, for good.
pub fn drop_capabilities() {
    keep_capabilities(&[]);
}

/// Forks, and gives the child's number in the parent; the child ends well if `child` says so.
pub fn fork(child: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child does as little as it can, and leaves without destructors.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0);
        if pid == 0 {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            libc::_exit(i32::from(!matches!(good, Ok(true))));
        }
        pid
    }
}

/// Waits for the child, and expects it to end well.
pub fn wait(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: the child is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    let status = std::process::ExitStatus::from_raw(status);
    assert!(status.success(), "{status}");
}
