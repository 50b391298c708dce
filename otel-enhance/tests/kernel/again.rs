//! Parts of tests in a process of their own, and what is in the kernel.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const ROLE: &str = "OTEL_ENHANCE_KERNEL_ROLE";

/// Whether this process was started by [`again`] to do what the test calls `role`.
pub(crate) fn is(role: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|found| found == role)
}

/// The command that runs this test alone in a process of its own, behind `wrapper`.
pub(crate) fn again(wrapper: &[&str], test: &str, role: &str) -> Command {
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
pub(crate) fn passes(wrapper: &[&str], test: &str, role: &str) {
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
pub(crate) struct Kill(pub(crate) Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Gives up every capability, for good.
pub(crate) fn drop_capabilities() {
    /// Version 3, this thread.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    let data = [[0_u32; 3]; 2];
    // SAFETY: both structures are those of the kernel.
    let answer = unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), data.as_ptr()) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
}

/// Forks, and gives the child's number in the parent.
pub(crate) fn fork(child: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child leaves without destructors.
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

pub(crate) fn wait(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: the child is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the child failed");
}

/// Everything that BPF has in the kernel, by kind and number.
pub(crate) fn objects() -> BTreeSet<(&'static str, u32)> {
    // Another process's may come or go between its number and its name: once more, then, a little later.
    let try_again = |_| {
        let listed = listing().ok();
        if listed.is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        listed
    };
    (0..100)
        .find_map(try_again)
        .unwrap_or_else(|| listing().expect("the kernel lists what it has"))
}

fn listing() -> Result<BTreeSet<(&'static str, u32)>, Box<dyn std::error::Error>> {
    let mut all = BTreeSet::new();
    for program in aya::programs::loaded_programs() {
        all.insert(("program", program?.id()));
    }
    for map in aya::maps::loaded_maps() {
        all.insert(("map", map?.id()));
    }
    for link in aya::programs::loaded_links() {
        all.insert(("link", link?.id()));
    }
    Ok(all)
}

/// Fails unless everything of `ours` is gone within a second: the kernel frees a little later.
pub(crate) fn assert_gone(ours: &BTreeSet<(&'static str, u32)>) {
    let end = Instant::now() + Duration::from_secs(1);
    loop {
        let left: Vec<_> = objects().intersection(ours).copied().collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
