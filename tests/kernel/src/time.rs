//! The kernel's clocks, and ways to spend time.

use std::time::{Duration, Instant};

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn clock() -> u64 {
    time(libc::CLOCK_MONOTONIC)
}

/// The CPU time of this thread as the kernel accounts it.
pub fn cpu_clock() -> u64 {
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

/// Computes for at least so long on the wall's clock.
pub fn spin(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Computes for so much CPU time of this thread.
pub fn burn(duration: Duration) {
    let end = cpu_clock() + u64::try_from(duration.as_nanos()).unwrap();
    while cpu_clock() < end {
        std::hint::spin_loop();
    }
}
