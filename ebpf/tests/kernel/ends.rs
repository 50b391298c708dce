//! What is left in the kernel afterwards: nothing.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use otel_enhance_ebpf::loader::Options;

use crate::common::{
    Kill, again, alone, assert_gone, drop_capabilities, heard, is, load, now, objects_of,
    own_objects, told,
};

#[test]
fn nothing_is_left_once_the_session_is_dropped() {
    let _alone = alone();
    for _ in 0..10 {
        let session = load(&Options::new().with_sample_hz(99));
        let ours = own_objects();
        for kind in ["program", "map", "link"] {
            assert!(ours.iter().any(|(found, _)| *found == kind), "{ours:?}");
        }
        drop(session);
        assert_gone(&ours);
    }
}

#[test]
fn nothing_is_left_though_threads_still_have_slots() {
    let _alone = alone();
    let session = load(&Options::new());
    let ours = own_objects();
    let slot = session.register().unwrap();
    let registrar = session.registrar();
    drop(session);
    assert_gone(&ours);
    // They harm nobody, and read nothing.
    slot.enter([1; 16], [1; 8], 1, 1);
    slot.leave();
    assert_eq!(slot.counters(), None);
    assert!(registrar.register().is_none());
}

#[test]
fn nothing_is_left_of_a_process_that_was_killed() {
    if is("victim") {
        let _session = load(&Options::new().with_sample_hz(99));
        println!("loaded");
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let _alone = alone();
    let mut child = Kill(
        again(
            &[],
            "ends::nothing_is_left_of_a_process_that_was_killed",
            "victim",
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap(),
    );
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let loaded = lines
        .map_while(Result::ok)
        .any(|line| line.ends_with("loaded"));
    assert!(loaded, "the child ended before it had loaded");
    let ours = objects_of(child.0.id());
    assert!(!ours.is_empty());
    // SIGKILL.
    drop(child);
    assert_gone(&ours);
}

#[test]
fn without_any_capability_everything_goes_on() {
    if is("dropped") {
        let mut session = load(&Options::new().with_sample_hz(999));
        println!("\n{}", told(&own_objects()));
        drop_capabilities();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let slot = session.register().expect("registers without capabilities");
                let before = now(&slot);
                std::thread::sleep(Duration::from_millis(20));
                crate::samples::compute(&slot, Duration::from_millis(100));
                let spent = now(&slot).since(before);
                assert!(spent.blocked_ns >= 19_000_000, "{spent:?}");
                assert!(spent.on_cpu_ns >= 99_000_000, "{spent:?}");
            });
        });
        assert!(session.samples().unwrap().drain(|_, _| ()) > 10);
        return;
    }
    let _alone = alone();
    let mut command = again(
        &[],
        "ends::without_any_capability_everything_goes_on",
        "dropped",
    );
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let its = heard(&text);
    assert!(!its.is_empty());
    assert_gone(&its);
}
