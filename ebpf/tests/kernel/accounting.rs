//! Where the time goes, held against what the kernel says elsewhere.

use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use otel_enhance_ebpf::loader::{Counters, Options, ThreadSlot};

use crate::common::{Random, alone, both, clock, load, now, spin, three};

/// How far two readings of the clock on two CPUs may be apart.
const TOLERANCE: u64 = 2_000;

/// One of the things that functions do.
fn work(random: &mut Random, contended: &Mutex<()>) {
    let micros = Duration::from_micros(random.below(150));
    match random.below(6) {
        0 | 1 => spin(micros),
        2 => std::thread::sleep(micros),
        3 => std::thread::yield_now(),
        4 => {
            let _held = contended.lock().unwrap();
            spin(micros / 4);
        }
        _ => {}
    }
}

/// Intervals of all sorts on four threads: what is counted is the time that passed, each time.
fn intervals_add_up(options: &Options) {
    const THREADS: u64 = 4;
    const INTERVALS: u64 = 2_500;
    let session = load(options);
    let contended = Mutex::new(());
    std::thread::scope(|scope| {
        for seed in 1..=THREADS {
            let (session, contended) = (&session, &contended);
            scope.spawn(move || {
                let slot = session.register().unwrap();
                let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                for interval in 0..INTERVALS {
                    let outer = clock();
                    let before = now(&slot);
                    let inner = clock();
                    work(&mut random, contended);
                    let inner_end = clock();
                    let after = now(&slot);
                    let outer_end = clock();
                    let spent = after.since(before);

                    // What `since` puts right is no more than the difference between two clocks.
                    assert!(
                        after.on_cpu_ns + TOLERANCE >= before.on_cpu_ns
                            && after.blocked_ns >= before.blocked_ns
                            && after.run_queue_ns >= before.run_queue_ns,
                        "{interval}: {after:?} is less than {before:?}"
                    );

                    let sum = spent.on_cpu_ns + spent.blocked_ns + spent.run_queue_ns;
                    assert_eq!(sum, spent.since_ns, "{interval}: {spent:?}");
                    // The wall's clock was read around each reading of ours, whatever came between.
                    let (least, most) = (inner_end - inner, outer_end - outer);
                    assert!(
                        sum + TOLERANCE >= least && sum <= most + TOLERANCE,
                        "{interval}: {sum} is not within {least} and {most}: {spent:?}"
                    );
                }
            });
        }
    });
}

#[test]
fn ten_thousand_intervals_on_four_threads_add_up_to_the_time_that_passed() {
    let _alone = alone();
    intervals_add_up(&Options::new());
}

#[test]
fn ten_thousand_intervals_add_up_with_the_program_for_old_kernels() {
    let _alone = alone();
    intervals_add_up(&Options::new().with_early_switch());
}

#[test]
fn ten_thousand_intervals_add_up_with_the_program_for_wakings() {
    let _alone = alone();
    intervals_add_up(&Options::new().with_wakings());
}

/// Off by less than 1 % or 1 ms, the larger of both.
fn assert_close(what: &str, ours: u64, truth: u64) {
    let allowed = (truth / 100).max(1_000_000);
    assert!(
        ours.abs_diff(truth) <= allowed,
        "{what}: {ours} ns, by the kernel's own account {truth} ns"
    );
}

/// What the kernel's own accounts say of a thread, and what they leave out.
#[derive(Default)]
struct Truth {
    cpu: u64,
    delay: u64,
    /// Time in which the thread neither ran nor waited by them: the hypervisor had the CPU, and the kernel counts
    /// that nowhere. On the wall's clock the thread had it.
    left_out: i64,
    /// Waits after wakings that the kernel told nobody of, so that for us they are part of the sleep.
    untold: u64,
    untold_wakings: u32,
}

impl Truth {
    /// What the thread did since `start` while `busy`, which never sleeps, and then asleep; gives the end.
    fn add(
        &mut self,
        slot: &ThreadSlot,
        start: (Counters, u64, u64),
        busy: impl FnOnce(),
    ) -> (Counters, u64, u64) {
        busy();
        let middle = three(slot);
        std::thread::sleep(Duration::from_millis(5));
        let end = three(slot);
        self.cpu += end.1 - start.1;
        self.delay += end.2 - start.2;
        let [wall, accounted] = [
            middle.0.since_ns - start.0.since_ns,
            middle.1 - start.1 + middle.2 - start.2,
        ];
        self.left_out += wall.cast_signed() - accounted.cast_signed();
        // Of a waking that is told there are always some nanoseconds in the queue, or none by the kernel's account either.
        if end.0.run_queue_ns == middle.0.run_queue_ns && end.2 > middle.2 {
            self.untold += end.2 - middle.2;
            self.untold_wakings += 1;
        }
        end
    }
}

#[test]
fn each_share_is_what_the_kernel_accounts_elsewhere() {
    each_share_is_what_the_kernel_accounts(&Options::new());
}

#[test]
fn each_share_is_what_the_kernel_accounts_by_the_program_for_wakings_too() {
    each_share_is_what_the_kernel_accounts(&Options::new().with_wakings());
}

fn each_share_is_what_the_kernel_accounts(options: &Options) {
    let _alone = alone();
    let session = load(options);
    // More of them than CPUs, so that they wait for one.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let slot = session.register().unwrap();
                let mut truth = Truth::default();
                let start = three(&slot);
                let mut end = start;
                for _ in 0..10 {
                    end = truth.add(&slot, end, || spin(Duration::from_millis(30)));
                }
                let spent = end.0.since(start.0);
                let left_out = truth.left_out.max(0).cast_unsigned();
                let cpu = spent.on_cpu_ns.clamp(truth.cpu, truth.cpu + left_out);
                assert_close("on a CPU", spent.on_cpu_ns, cpu);
                let told = truth.delay - truth.untold;
                assert_close("in a run queue", spent.run_queue_ns, told);
                assert!(spent.blocked_ns >= 50_000_000, "{spent:?}");
                assert!(truth.untold_wakings <= 5, "wakings are told");
            });
        }
    });
}

#[test]
fn switches_are_those_that_the_kernel_counts() {
    let _alone = alone();
    let session = load(&Options::new());
    let contended = Mutex::new(());
    std::thread::scope(|scope| {
        for seed in 1..=4 {
            let (session, contended) = (&session, &contended);
            scope.spawn(move || {
                let slot = session.register().unwrap();
                let mut random = Random(seed);
                let (before, truth_before) = both(&slot);
                for _ in 0..1_000 {
                    work(&mut random, contended);
                }
                let (after, truth_after) = both(&slot);
                let spent = after.since(before);
                assert_eq!(
                    [spent.voluntary, spent.involuntary],
                    [
                        truth_after[0] - truth_before[0],
                        truth_after[1] - truth_before[1]
                    ],
                );
                assert!(spent.voluntary > 0);
            });
        }
    });
}

/// Writes to `pages` pages that were never touched, and gives them back.
fn touch(pages: usize) {
    const PAGE: usize = 4096;
    // SAFETY: a new mapping of our own, written within its length.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let memory = libc::mmap(std::ptr::null_mut(), pages * PAGE, access, flags, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED);
        libc::madvise(memory, pages * PAGE, libc::MADV_NOHUGEPAGE);
        for page in 0..pages {
            memory.cast::<u8>().add(page * PAGE).write_volatile(1);
        }
        libc::munmap(memory, pages * PAGE);
    }
}

#[test]
fn page_faults_are_those_that_the_kernel_counts() {
    let _alone = alone();
    let session = load(&Options::new());
    let slot = session.register().unwrap();
    let (before, truth_before) = both(&slot);
    touch(1_000);
    let (after, truth_after) = both(&slot);
    let faults = after.since(before).page_faults;
    assert_eq!(faults, truth_after[2] - truth_before[2]);
    assert!(faults >= 1_000, "{faults}");
}

#[test]
fn two_sessions_of_one_process_count_the_same() {
    let _alone = alone();
    let sessions = [load(&Options::new()), load(&Options::new())];
    let slots: Vec<ThreadSlot> = sessions.iter().map(|s| s.register().unwrap()).collect();
    let before: Vec<_> = slots.iter().map(now).collect();
    std::thread::sleep(Duration::from_millis(20));
    for (slot, before) in slots.iter().zip(before) {
        let spent = now(slot).since(before);
        assert!(spent.blocked_ns >= 19_000_000, "{spent:?}");
        assert!(spent.voluntary >= 1);
    }
}

#[test]
fn a_thread_is_not_charged_for_what_another_does() {
    let _alone = alone();
    let session = load(&Options::new());
    let barrier = Arc::new(Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let slot = session.register().unwrap();
            barrier.wait();
            spin(Duration::from_millis(100));
            drop(slot);
            barrier.wait();
        });
        let slot = session.register().unwrap();
        barrier.wait();
        let (before, cpu, _) = three(&slot);
        barrier.wait();
        let (after, cpu_after, _) = three(&slot);
        let spent = after.since(before);
        assert_close("while another computes", spent.on_cpu_ns, cpu_after - cpu);
    });
}
