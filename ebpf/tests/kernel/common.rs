//! What the tests share.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use otel_enhance_ebpf::loader::{Counters, Options, Session, ThreadSlot, Tier};

/// One test at a time: what each leaves in the kernel is looked for by what is new there.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn load(options: &Options) -> Session {
    let session = Session::load(options)
        .expect("these tests need root and a kernel with BTF: cargo xtask test --only ebpf");
    assert_eq!(session.tier(), Tier::Full, "{:?}", session.refusals());
    session
}

pub(crate) fn now(slot: &ThreadSlot) -> Counters {
    slot.counters_now().expect("the session lives")
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn clock() -> u64 {
    time(libc::CLOCK_MONOTONIC)
}

/// The CPU time of this thread as the kernel accounts it.
pub(crate) fn cpu_clock() -> u64 {
    time(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn time(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is valid.
    assert_eq!(unsafe { libc::clock_gettime(clock, &raw mut time) }, 0);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// The thread's wait for a CPU as the kernel accounts it, in nanoseconds.
fn run_delay() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Voluntary switches, involuntary switches and page faults as the kernel counts them.
fn usage() -> [u32; 3] {
    // SAFETY: the structure is valid, and all zeroes are a value of it.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
        usage
    };
    [
        usage.ru_nvcsw,
        usage.ru_nivcsw,
        usage.ru_minflt + usage.ru_majflt,
    ]
    .map(|count| u32::try_from(count).unwrap())
}

/// Both accounts at a moment between whose readings the thread was not switched.
pub(crate) fn both(slot: &ThreadSlot) -> (Counters, [u32; 3]) {
    loop {
        let before = usage();
        let counters = now(slot);
        if usage() == before {
            return (counters, before);
        }
    }
}

/// Our account, the CPU's and the run queue's, at a moment during which the thread was not switched.
pub(crate) fn three(slot: &ThreadSlot) -> (Counters, u64, u64) {
    loop {
        let [slept, taken, _] = usage();
        let all = (now(slot), cpu_clock(), run_delay());
        if usage()[..2] == [slept, taken] {
            return all;
        }
    }
}

/// Computes for at least so long on the wall's clock.
pub(crate) fn spin(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Small random numbers, the same on every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
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

const ROLE: &str = "OTEL_ENHANCE_EBPF_ROLE";

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

/// Ends a child whatever happens.
pub(crate) struct Kill(pub(crate) Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
