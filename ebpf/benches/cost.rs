//! What watching costs: `cargo bench -p otel-enhance-ebpf --features loader --bench cost`, as root.
//!
//! Rounds of each side run alternately; figures are the lowest decile and the median of the rounds, and of the
//! ratios of neighbours.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    unsafe_code,
    reason = "a benchmark prints, gives up where it cannot run, and pins threads"
)]

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use otel_enhance_ebpf::loader::{Options, Session};

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let session = Session::load(&Options::new()).expect("takes root and a kernel with BTF");
    println!("tier {:?}", session.tier());
    slot(&session);
    drop(session);
    switches();
    faults();
    sampling();
}

fn quantile(values: &mut [f64], of: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * of) as usize]
}

fn report(name: &str, unit: &str, mut values: Vec<f64>) {
    let (low, middle) = (quantile(&mut values, 0.1), quantile(&mut values, 0.5));
    println!("{name:<44} p10 {low:9.2} {unit}, median {middle:9.2} {unit}");
}

/// Nanoseconds of one call, out of many.
fn each(calls: u32, mut call: impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    for number in 0..calls {
        call(number);
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn slot(session: &Session) {
    let thread = session.register().expect("a slot is free");
    let ids = black_box(([1_u8; 16], [2_u8; 8]));
    let mut rounds: [Vec<f64>; 5] = Default::default();
    for _ in 0..60 {
        rounds[0].push(each(100_000, |tag| {
            thread.enter(ids.0, ids.1, 1, tag.into())
        }));
        rounds[1].push(each(100_000, |tag| {
            thread.enter(ids.0, ids.1, 1, tag.into());
            thread.leave();
        }));
        rounds[2].push(each(100_000, |tag| {
            thread.enter(ids.0, ids.1, 1, tag.into());
            black_box(thread.counters());
        }));
        rounds[3].push(each(100_000, |_| {
            black_box(thread.counters_now());
        }));
        rounds[4].push(each(100_000, |_| {
            black_box(Instant::now());
        }));
    }
    drop(thread);
    let [write, both, read, now, clock] = rounds;
    report("slot: ids of a span", "ns", write);
    report("slot: ids, and none again", "ns", both);
    report("slot: ids and counters", "ns", read);
    report("slot: counters up to now", "ns", now);
    report("(reading the clock alone)", "ns", clock);
    let mut threads = Vec::new();
    for _ in 0..60 {
        threads.push(each(1_000, |_| drop(black_box(session.register()))));
    }
    report("registering a thread and back", "ns", threads);
}

/// Has both run on the first CPU that this process may use: every message is two switches.
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

/// Nanoseconds of one there and back between two threads on one CPU.
fn ping_pong(session: Option<&Session>) -> f64 {
    const ROUNDS: u32 = 20_000;
    let (mut here, mut there) = UnixStream::pair().expect("a pair of sockets");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pin();
            let _slot = session.and_then(Session::register);
            let mut byte = [0];
            while there.read_exact(&mut byte).is_ok() && there.write_all(&byte).is_ok() {}
        });
        let caller = scope.spawn(move || {
            pin();
            let _slot = session.and_then(Session::register);
            let mut byte = [0];
            let mut turn = |_| {
                here.write_all(&byte).expect("the other end is there");
                here.read_exact(&mut byte).expect("the other end is there");
            };
            each(500, &mut turn);
            each(ROUNDS, turn)
        });
        caller.join().expect("the caller ends well")
    })
}

fn compare(
    name: &str,
    pairs: usize,
    options: &Options,
    mut side: impl FnMut(Option<&Session>) -> f64,
) {
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        let watched = |side: &mut dyn FnMut(Option<&Session>) -> f64| {
            let session = Session::load(options).expect("takes root and a kernel with BTF");
            side(Some(&session))
        };
        // Each side goes first every other time.
        let (plain, session) = if pair % 2 == 0 {
            let plain = side(None);
            (plain, watched(&mut side))
        } else {
            let session = watched(&mut side);
            (side(None), session)
        };
        without.push(plain);
        with.push(session);
        ratios.push(session / plain);
    }
    let lowest = quantile(&mut with, 0.1) / quantile(&mut without, 0.1);
    report(&format!("{name}, alone"), "ns", without);
    report(&format!("{name}, watched"), "ns", with);
    let middle = quantile(&mut ratios, 0.5);
    println!("{name}: ratio of the p10s {lowest:.3}, median of the ratios {middle:.3}");
}

fn switches() {
    compare(
        "two threads, there and back",
        40,
        &Options::new(),
        ping_pong,
    );
}

fn faults() {
    const PAGES: usize = 4096;
    let touch = |_: Option<&Session>| {
        // SAFETY: a new mapping of our own, written within its length.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let memory = libc::mmap(std::ptr::null_mut(), PAGES * 4096, access, flags, -1, 0);
            libc::madvise(memory, PAGES * 4096, libc::MADV_NOHUGEPAGE);
            let start = Instant::now();
            for page in 0..PAGES {
                memory.cast::<u8>().add(page * 4096).write_volatile(1);
            }
            let took = start.elapsed().as_nanos() as f64 / PAGES as f64;
            libc::munmap(memory, PAGES * 4096);
            took
        }
    };
    compare("a page fault", 40, &Options::new(), touch);
}

fn sampling() {
    let compute = |_: Option<&Session>| {
        let start = cpu();
        let mut sum = 0_u64;
        for number in 0..100_000_000_u64 {
            sum = black_box(sum ^ number);
        }
        (cpu() - start).as_nanos() as f64
    };
    compare(
        "99 Hz, a loop",
        15,
        &Options::new().with_sample_hz(99),
        compute,
    );
}

/// CPU time of this thread: on a busy machine the wall's clock says nothing.
fn cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
