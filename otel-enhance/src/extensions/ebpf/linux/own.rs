//! The kernel's accounts of the calling thread, which anybody may ask for.
#![expect(unsafe_code, reason = "getrusage(2) and clock_gettime(2)")]

/// CPU time, in nanoseconds; 0 where the kernel does not say.
pub(super) fn cpu_time() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Voluntary switches, involuntary switches and page faults.
pub(super) fn usage() -> [u32; 3] {
    // SAFETY: the structure is valid, and all zeroes are a value of it.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage
    };
    // They wrap.
    [
        usage.ru_nvcsw as u32,
        usage.ru_nivcsw as u32,
        (usage.ru_minflt + usage.ru_majflt) as u32,
    ]
}
