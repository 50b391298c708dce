//! Each share against what the kernel accounts elsewhere, and known sleeps.

use std::time::Duration;

use otel_enhance::enhanced_trace;

use crate::common::{BOTH, Shares, alone, burn, cpu_clock, install_full};

#[enhanced_trace]
fn computes() -> u64 {
    let before = cpu_clock();
    burn(Duration::from_millis(50));
    cpu_clock() - before
}

#[enhanced_trace]
fn sleeps() {
    std::thread::sleep(Duration::from_millis(30));
}

#[enhanced_trace]
fn around() -> u64 {
    sleeps();
    computes()
}

fn assert_close(what: &str, ours: u64, truth: u64) {
    let allowed = (truth / 100).max(1_000_000);
    assert!(
        ours.abs_diff(truth) <= allowed,
        "{what}: {ours} ns, and should be {truth} ns"
    );
}

#[test]
fn sleep_is_blocked_and_computation_is_cpu_time_nested_or_not() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let cpu = around();
        guard.shutdown().unwrap();
        let spans = kept.take();
        let of = |name: &str| {
            let span = spans.iter().find(|span| span.name.ends_with(name)).unwrap();
            (Shares::total(span).unwrap(), Shares::own(span).unwrap())
        };
        let (sleeping, _) = of("sleeps");
        assert_close("asleep", sleeping.blocked, 30_000_000);
        assert!(sleeping.cpu < 1_000_000, "{sleeping:?}");
        assert_eq!(sleeping.voluntary, 1);
        let (computing, _) = of("computes");
        assert_close("on a CPU", computing.cpu, cpu);
        assert!(computing.blocked < 1_000_000, "{computing:?}");
        let (total, own) = of("around");
        assert_close("around, on a CPU", total.cpu, cpu);
        assert_close("around, asleep", total.blocked, 30_000_000);
        assert!(own.active() < 1_000_000, "{own:?}");
        assert_eq!(own.voluntary, 0);
    }
}
