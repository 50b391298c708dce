//! What the tests share.

use otel_enhance_ebpf::loader::{Counters, Options, Session, ThreadSlot, Tier};
pub(crate) use otel_enhance_kernel_tests::*;

pub(crate) fn load(options: &Options) -> Session {
    let session = Session::load(options)
        .expect("these tests need root and a kernel with BTF: cargo xtask test --only ebpf");
    assert_eq!(session.tier(), Tier::Full, "{:?}", session.refusals());
    session
}

pub(crate) fn now(slot: &ThreadSlot) -> Counters {
    slot.counters_now().expect("the session lives")
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
