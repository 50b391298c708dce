//! Two threads that wake each other on one CPU, and clocks of CPU time.
#![expect(unsafe_code, reason = "threads are pinned, and CPU clocks read")]

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use otel_enhance::Context;

pub(crate) fn cpu_of_process() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

pub(crate) fn cpu_of_thread() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is valid.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Has the thread run on the first CPU that this process may use.
fn pin() {
    // SAFETY: the set is valid.
    unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        libc::sched_getaffinity(0, size_of_val(&set), &raw mut set);
        let first = (0..1024)
            .find(|cpu| libc::CPU_ISSET(*cpu, &set))
            .unwrap_or(0);
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(first, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

/// Calls `f` with 16 KiB more on the stack, which is as much as a sample has of it.
#[cfg(feature = "ebpf")]
#[inline(never)]
fn deep<R>(f: impl FnOnce() -> R) -> R {
    let mut room = [0_u8; 16 << 10];
    std::hint::black_box(&mut room);
    let result = f();
    std::hint::black_box(&mut room);
    result
}

/// Nanoseconds of one there and back, the lowest decile.
pub(crate) fn ping_pong_under(context: impl Fn() -> Context + Sync) -> f64 {
    let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets");
    std::thread::scope(|scope| {
        scope.spawn(|| answers(&mut there, &context));
        let caller = scope.spawn(|| calls(&mut here, &context));
        caller.join().expect("the caller ends well")
    })
}

/// The same with deep stacks.
#[cfg(feature = "ebpf")]
pub(crate) fn deep_ping_pong_under(context: impl Fn() -> Context + Sync) -> f64 {
    let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets");
    std::thread::scope(|scope| {
        scope.spawn(|| deep(|| answers(&mut there, &context)));
        let caller = scope.spawn(|| deep(|| calls(&mut here, &context)));
        caller.join().expect("the caller ends well")
    })
}

fn answers(there: &mut UnixStream, context: &impl Fn() -> Context) {
    pin();
    let _attached = context().attach();
    let mut byte = [0];
    while there.read_exact(&mut byte).is_ok() && there.write_all(&byte).is_ok() {}
}

fn calls(here: &mut UnixStream, context: &impl Fn() -> Context) -> f64 {
    pin();
    let _attached = context().attach();
    let mut byte = [0];
    let mut all = Vec::new();
    for _ in 0..40 {
        let begin = Instant::now();
        for _ in 0..500 {
            here.write_all(&byte).expect("the other end is there");
            here.read_exact(&mut byte).expect("the other end is there");
        }
        all.push(begin.elapsed().as_nanos() as f64 / 500.0);
    }
    // The other end finds that there is nothing more.
    let _ = here.shutdown(Shutdown::Both);
    all.sort_by(f64::total_cmp);
    all[all.len() / 10]
}
