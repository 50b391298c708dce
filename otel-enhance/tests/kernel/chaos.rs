//! Threads and processes come and go, and nothing is left behind or mixed up.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use otel_enhance::enhanced_trace;

use crate::again::{Kill, again, assert_gone, fork, is, objects_of, own_objects, wait};
use crate::common::{
    BOTH, Path, Shares, all_exported, alone, clock, cpu_clock, install, install_full, install_with,
    number, spin,
};

#[enhanced_trace(fields(n = n))]
fn works_as(n: u64, sleeps: bool) -> [u64; 2] {
    let (cpu, wall) = (cpu_clock(), clock());
    if sleeps {
        std::thread::sleep(Duration::from_micros(300));
    } else {
        spin(Duration::from_micros(300));
    }
    [cpu_clock() - cpu, clock() - wall]
}

/// Computes or sleeps; tells CPU and wall time inside of the span and around it.
fn works_between(n: u64, sleeps: bool) -> [[u64; 2]; 2] {
    let (cpu, wall) = (cpu_clock(), clock());
    let inside = works_as(n, sleeps);
    [inside, [cpu_clock() - cpu, clock() - wall]]
}

fn works(sleeps: bool) {
    works_as(0, sleeps);
}

#[test]
fn a_thousand_threads_come_and_go_and_each_span_has_its_own() {
    let _alone = alone();
    for path in BOTH {
        // Far fewer slots than threads.
        let (guard, kept) = install_with(path, |pipeline| pipeline.with_ebpf_max_threads(64));
        let truth = Mutex::new(HashMap::new());
        for round in 0..20 {
            std::thread::scope(|scope| {
                for thread in 0..50 {
                    let truth = &truth;
                    scope.spawn(move || {
                        let n = round * 100 + thread * 2;
                        let both = [n, n + 1].map(|n| (n, works_between(n, n.is_multiple_of(3))));
                        truth.lock().unwrap().extend(both);
                    });
                }
            });
        }
        all_exported(&guard, 2_000);
        guard.shutdown().unwrap();
        let spans = kept.take();
        assert_eq!(spans.len(), 2_000);
        let mut full = 0;
        for span in &spans {
            let Some(shares) = Shares::total(span) else {
                // Its thread found no slot.
                assert!(number(span, "otel_enhance.waiting.time").is_some());
                continue;
            };
            full += 1;
            let n = number(span, "n").unwrap();
            let [[cpu, wall], [_, most]] = truth.lock().unwrap()[&n];
            let active = shares.active();
            assert!(
                active + 2_000 >= wall && active <= most + 2_000,
                "{active} is not within {wall} and {most}: {shares:?}"
            );
            // The thread's clock has switches too, which take tens of microseconds where the machine is a busy virtual one.
            assert!(shares.cpu + 100_000 >= cpu, "{cpu}: {shares:?}");
            if n.is_multiple_of(3) {
                assert!(shares.blocked >= 250_000, "{shares:?}");
            }
        }
        // Slots of threads that are gone are used again.
        assert!(full > 1_000, "{full}");
    }
}

#[test]
fn two_hundred_forks_leave_the_parents_figures_alone() {
    const TEST: &str = "chaos::two_hundred_forks_leave_the_parents_figures_alone";
    if !is("forks") {
        let _alone = alone();
        return crate::again::passes(&[], TEST, "forks");
    }
    let (guard, kept) = install_full(Path::Fast);
    #[enhanced_trace]
    fn parent() {
        for _ in 0..200 {
            wait(fork(|| {
                works(true);
                works(false);
                true
            }));
        }
    }
    parent();
    // A child may have a session of its own.
    wait(fork(|| {
        let (guard, kept) = install(Path::Fast);
        works(true);
        guard.shutdown().unwrap();
        let spans = kept.take();
        spans.len() == 1 && Shares::total(&spans[0]).is_some_and(|s| s.blocked >= 250_000)
    }));
    guard.shutdown().unwrap();
    let spans = kept.take();
    assert_eq!(spans.len(), 1);
    let shares = Shares::total(&spans[0]).unwrap();
    let duration = spans[0].end_time.duration_since(spans[0].start_time);
    let duration = u64::try_from(duration.unwrap().as_nanos()).unwrap();
    assert!(
        shares.active().abs_diff(duration) <= 2_000,
        "{shares:?}, {duration}"
    );
    assert!(shares.voluntary >= 100, "it waited for them: {shares:?}");
}

#[test]
fn nothing_is_left_after_a_shutdown_though_threads_live_on() {
    let _alone = alone();
    for path in BOTH {
        let (guard, _kept) = install_full(path);
        let ours = own_objects();
        for kind in ["program", "map", "link"] {
            assert!(ours.iter().any(|(found, _)| *found == kind), "{ours:?}");
        }
        works(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                works(false);
                guard.shutdown().unwrap();
                assert_gone(&ours);
                works(false);
            });
        });
    }
}

#[test]
fn nothing_is_left_of_a_process_that_was_killed() {
    const TEST: &str = "chaos::nothing_is_left_of_a_process_that_was_killed";
    if is("victim") {
        let (_guard, _kept) = install_full(Path::Fast);
        works(false);
        println!("runs");
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let _alone = alone();
    let child = again(&[], TEST, "victim").stdout(Stdio::piped()).spawn();
    let mut child = Kill(child.unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.contains("runs"))
    );
    let ours = objects_of(child.0.id());
    assert!(!ours.is_empty());
    drop(child);
    assert_gone(&ours);
}

#[test]
fn figures_are_right_in_a_pid_namespace() {
    const TEST: &str = "chaos::figures_are_right_in_a_pid_namespace";
    if !is("inside") {
        let _alone = alone();
        let wrapper = ["unshare", "--pid", "--fork", "--mount-proc"];
        return crate::again::passes(&wrapper, TEST, "inside");
    }
    let (guard, kept) = install_full(Path::Fast);
    works(true);
    guard.shutdown().unwrap();
    let spans = kept.take();
    assert!(Shares::total(&spans[0]).unwrap().blocked >= 250_000);
}

#[test]
fn runtimes_that_are_shut_down_leave_nothing_wrong() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        for _ in 0..20 {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(4)
                .enable_all()
                .build()
                .unwrap();
            #[enhanced_trace]
            async fn endless() {
                loop {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            for _ in 0..10 {
                runtime.spawn(endless());
            }
            std::thread::sleep(Duration::from_millis(3));
            // With futures that have not finished.
            drop(runtime);
        }
        guard.shutdown().unwrap();
        for span in kept.take() {
            let shares = Shares::total(&span).unwrap();
            let duration = span.end_time.duration_since(span.start_time).unwrap();
            let duration = u64::try_from(duration.as_nanos()).unwrap();
            // The SDK's spans are asked a little after they have taken down their end.
            if path == Path::Fast {
                assert!(
                    shares.active() <= duration + 2_000,
                    "{shares:?} in {duration}"
                );
            }
        }
    }
}
