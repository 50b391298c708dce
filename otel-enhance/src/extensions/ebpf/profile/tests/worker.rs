//! On the real kernel, as root.

use std::hint::black_box;
use std::sync::Mutex;
use std::time::Duration;

use otel_enhance_ebpf::loader::{Options, Session};

use super::*;
use crate::extensions::ebpf::profile::ProfileKind;

/// Sessions of one process disturb each other's counts.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    lock(&ALONE)
}

fn start(options: &Options, hz: u32) -> (Session, Profiler) {
    let mut session = Session::load(&options.clone().with_sample_hz(hz))
        .expect("this test needs root and a kernel with BTF: cargo xtask test --only ebpf");
    let samples = session.take_samples().unwrap();
    let profiler = Profiler::start(samples, hz, Limits::default()).unwrap();
    (session, profiler)
}

/// This thread's time on a CPU.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.cast_unsigned(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

/// Computes for so long, however long that takes.
#[inline(never)]
fn guilty(time: Duration) {
    let end = cpu() + time;
    while cpu() < end {
        accomplice();
    }
}

#[inline(always)]
fn accomplice() {
    for number in 0..20_000_u64 {
        black_box(number.wrapping_mul(number));
    }
}

#[inline(never)]
fn innocent(time: Duration) {
    let end = cpu() + time;
    while cpu() < end {
        for number in 0..20_000_u64 {
            black_box(number.wrapping_add(number));
        }
    }
}

#[inline(never)]
fn sleeper(duration: Duration) {
    std::thread::sleep(black_box(duration));
}

fn text(profile: &Profile, kind: ProfileKind) -> String {
    profile.to_folded(kind)
}

#[test]
#[ignore = "as root on a kernel with BTF: cargo xtask test --only ebpf"]
fn samples_name_the_span_and_the_functions_inlined_ones_too() {
    let _alone = alone();
    let (session, profiler) = start(&Options::new(), 997);
    let registrar = session.registrar();
    let work = |number: u8, run: fn(Duration)| {
        let slot = registrar.register().unwrap();
        slot.enter([number; 16], [number; 8], 1, 0);
        run(Duration::from_millis(400));
        slot.leave();
    };
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("first".to_owned());
        builder.spawn_scoped(scope, || work(1, guilty)).unwrap();
        scope.spawn(|| work(2, innocent));
    });
    names::note([1; 8], &"one".into());
    names::note([2; 8], &"two".into());
    let profile = profiler.profile().unwrap();
    let account = profile.account();
    assert!(account.read > 200, "{account:?}");
    assert_eq!((account.lost, account.skipped), (0, 0));

    for (number, name, function, other) in [
        (1, "one", "::guilty", "::innocent"),
        (2, "two", "::innocent", "::guilty"),
    ] {
        let part = profile.of_span_name(name);
        assert_eq!(part.of_span([number; 8]).rows, part.rows);
        assert_eq!(part.of_trace([number; 16]).rows, part.rows);
        let (mut with, mut all, mut cut_off) = (0, 0, 0);
        for sample in part.samples_of(ProfileKind::Cpu) {
            all += sample.count();
            let calls = |wanted| {
                sample
                    .frames()
                    .any(|frame| frame.function.ends_with(wanted))
            };
            if calls(function) {
                with += sample.count();
            }
            if calls("[stack cut off]") {
                cut_off += sample.count();
            }
            assert!(!calls(other), "{}", text(&part, ProfileKind::Cpu));
        }
        assert!(all > 80, "{all}");
        // Entering and leaving the span is part of it.
        assert!(with * 100 >= all * 98, "{with} of {all}");
        assert!(cut_off * 100 <= all, "{cut_off} of {all}");
    }
    let one = profile.of_span_name("one");
    // Without its path where debug information is of lines alone.
    let inlined = one
        .samples()
        .flat_map(|sample| sample.frames())
        .any(|frame| frame.inlined && frame.function.ends_with("accomplice"));
    assert!(inlined, "{}", text(&one, ProfileKind::Cpu));
    let threads: Vec<_> = one.samples().filter_map(|sample| sample.thread()).collect();
    assert!(
        threads
            .iter()
            .all(|(tid, name)| *tid > 0 && *name == "first"),
        "{threads:?}"
    );
}

#[test]
#[ignore = "as root on a kernel with BTF: cargo xtask test --only ebpf"]
fn sleeps_are_in_the_profile_with_their_length_and_their_function() {
    let _alone = alone();
    let (session, profiler) = start(&Options::new().with_sleep_samples(1_000, 64), 99);
    let slot = session.register().unwrap();
    slot.enter([3; 16], [3; 8], 1, 0);
    for _ in 0..5 {
        sleeper(Duration::from_millis(10));
    }
    slot.leave();
    // Without waiting for it to be read.
    names::note([3; 8], &"sleepy".into());
    let profile = profiler.profile().unwrap();
    let part = profile.of_span_name("sleepy");
    let time = part.time(ProfileKind::OffCpu);
    assert!(time >= Duration::from_millis(50), "{time:?}");
    let samples: Vec<_> = part.samples_of(ProfileKind::OffCpu).collect();
    assert_eq!(samples.iter().map(|sample| sample.count()).sum::<u64>(), 5);
    for sample in samples {
        assert!(
            sample
                .frames()
                .any(|frame| frame.function.ends_with("::sleeper"))
        );
    }
}

#[test]
#[ignore = "as root on a kernel with BTF: cargo xtask test --only ebpf"]
fn a_hot_span_is_seen_while_it_runs_and_news_are_told_once() {
    let _alone = alone();
    let (session, profiler) = start(&Options::new(), 997);
    let slot = session.register().unwrap();
    slot.enter([4; 16], [4; 8], 1, 0);
    guilty(Duration::from_millis(100));
    let first = profiler.news().unwrap();
    assert!(first.of_span([4; 8]).time(ProfileKind::Cpu) > Duration::from_millis(20));
    assert!(
        first
            .to_folded(ProfileKind::Cpu)
            .contains("[span without a name yet];")
    );
    guilty(Duration::from_millis(100));
    slot.leave();
    session.set_sampling(false);
    let second = profiler.news().unwrap();
    let whole = profiler.profile().unwrap();
    let time = |profile: &Profile| profile.time(ProfileKind::Cpu);
    assert_eq!(time(&first) + time(&second), time(&whole));
    assert!(profiler.news().unwrap().is_empty());
    profiler.stop();
    assert_eq!(time(&profiler.profile().unwrap()), time(&whole));
}

#[test]
#[ignore = "as root on a kernel with BTF: cargo xtask test --only ebpf"]
fn a_ring_that_overran_is_in_the_account() {
    let _alone = alone();
    let options = Options::new()
        .with_sample_hz(5_000)
        .with_ring_bytes(1 << 16);
    let mut session = Session::load(&options).unwrap();
    guilty(Duration::from_millis(200));
    session.set_sampling(false);
    let samples = session.take_samples().unwrap();
    let profiler = Profiler::start(samples, 5_000, Limits::default()).unwrap();
    let account = profiler.profile().unwrap().account();
    assert!(account.lost > 0, "{account:?}");
    assert_eq!(account.lost, session.samples_lost());
    assert_eq!(account.read, session.samples_taken());
}

#[test]
#[ignore = "as root on a kernel with BTF: cargo xtask test --only ebpf"]
fn limits_hold_and_everything_is_counted() {
    let _alone = alone();
    let mut session = Session::load(&Options::new().with_sample_hz(2_000)).unwrap();
    let samples = session.take_samples().unwrap();
    let limits = Limits {
        spans: 4,
        stacks: 6,
        rows: 16,
        ..Limits::default()
    };
    let profiler = Profiler::start(samples, 2_000, limits).unwrap();
    let slot = session.register().unwrap();
    for number in 1..=60_u8 {
        slot.enter([number; 16], [number; 8], 1, 0);
        guilty(Duration::from_millis(5));
        slot.leave();
        names::note(
            [number; 8],
            &if number % 2 == 0 { "even" } else { "odd" }.into(),
        );
    }
    let profile = profiler.profile().unwrap();
    let account = profile.account();
    let ticks: u64 = profile.rows.iter().map(|(_, weight)| weight.ticks).sum();
    assert_eq!(ticks, account.read);
    assert!(account.spans_without_ids >= 50, "{account:?}");
    assert!(
        profile.tables.stacks.len() <= 7,
        "{}",
        profile.tables.stacks.len()
    );
    let mut names = profile.span_names();
    names.sort_unstable();
    assert_eq!(names, ["even", "odd"]);
}
