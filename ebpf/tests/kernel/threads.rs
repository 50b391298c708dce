//! Threads come and go, and so do processes.

use std::time::Duration;

use otel_enhance_ebpf::loader::{Options, ThreadSlot};

use crate::common::{
    again, alone, assert_gone, clock, fork, is, load, now, own_objects, spin, wait,
};

#[test]
fn a_thousand_short_threads_each_begin_at_nothing() {
    let _alone = alone();
    // Far fewer slots than threads: each is used again and again.
    let session = load(&Options::new().with_max_threads(16));
    for _ in 0..125 {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let start = clock();
                    let slot = session.register().unwrap();
                    let first = now(&slot);
                    let end = clock();
                    // Nothing of the thread that had the slot before: not even a microsecond more than this one
                    // has lived.
                    let sum = first.on_cpu_ns + first.blocked_ns + first.run_queue_ns;
                    assert!(sum <= end - start + 2_000, "{first:?}");
                    spin(Duration::from_micros(50));
                });
            }
        });
    }
}

/// The programs find a thread by the lower bits of its number, and only then by all of it.
#[test]
fn threads_whose_numbers_end_alike_have_each_its_own_figures() {
    const LOWER: i32 = (1 << 12) - 1;
    let _alone = alone();
    let session = load(&Options::new());
    // SAFETY: no condition.
    let number = || unsafe { libc::gettid() };
    let slot = session.register().unwrap();
    let own = number();
    let sleeps = |slot: &ThreadSlot| {
        let before = now(slot);
        std::thread::sleep(Duration::from_millis(5));
        let spent = now(slot).since(before);
        assert!(spent.blocked_ns >= 4_000_000, "{spent:?}");
        assert!(spent.voluntary >= 1, "{spent:?}");
    };
    // Numbers are given out one after the other, to other processes too, which may get the one in question.
    let met = (0..8 * LOWER).any(|_| {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                if number() & LOWER != own & LOWER {
                    return false;
                }
                let theirs = session.register().unwrap();
                sleeps(&theirs);
                true
            });
            let before = now(&slot);
            let met = other.join().unwrap();
            let spent = now(&slot).since(before);
            assert!(!met || spent.blocked_ns >= 4_000_000, "{spent:?}");
            met
        })
    });
    assert!(met, "no other thread's number ends like {own}");
    // And when the other is gone.
    sleeps(&slot);
}

#[test]
fn a_thread_that_finds_no_slot_goes_without_and_the_next_gets_one() {
    let _alone = alone();
    let session = load(&Options::new().with_max_threads(1));
    let slot = session.register().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(session.register().is_none()));
    });
    drop(slot);
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(session.register().is_some()));
    });
}

#[test]
fn slots_of_threads_that_never_gave_them_back_are_found_again() {
    let _alone = alone();
    let session = load(&Options::new().with_max_threads(4));
    for _ in 0..12 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // A scope ends before its threads are quite gone from the kernel.
                let end = clock() + 2_000_000_000;
                loop {
                    match session.register() {
                        Some(slot) => break std::mem::forget(slot),
                        None => assert!(clock() < end, "no slot was found again"),
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        });
    }
}

#[test]
fn a_forked_child_has_no_slot_and_leaves_its_parents_alone() {
    let _alone = alone();
    let session = load(&Options::new());
    let slot = session.register().unwrap();
    slot.enter([1; 16], [2; 8], 1, 3);
    for _ in 0..200 {
        let child = fork(|| {
            slot.enter([9; 16], [9; 8], 1, 9);
            slot.counters().is_none()
                && slot.counters_now().is_none()
                && session.register().is_none()
        });
        wait(child);
    }
    // SAFETY: the slot is alive.
    let record = unsafe { slot.thread_context().read() };
    assert_eq!(
        (record.trace_id, record.span_id, record.tag, record.valid),
        ([1; 16], [2; 8], 3, 1)
    );
    let before = now(&slot);
    std::thread::sleep(Duration::from_millis(5));
    assert!(now(&slot).since(before).blocked_ns >= 4_000_000);
}

#[test]
fn a_child_may_load_a_session_of_its_own() {
    let _alone = alone();
    let session = load(&Options::new());
    let child = fork(|| {
        let own = load(&Options::new());
        let slot = own.register().unwrap();
        let before = now(&slot);
        std::thread::sleep(Duration::from_millis(5));
        now(&slot).since(before).blocked_ns >= 4_000_000
    });
    wait(child);
    assert!(session.register().is_some());
}

/// What of a session is left in the kernel while a child that was forked from it lives on, by kind.
fn left_by_child(options: &Options, kinds: &[&str]) {
    let session = load(options);
    let ours: std::collections::BTreeSet<_> = own_objects()
        .into_iter()
        .filter(|(kind, _)| kinds.contains(kind))
        .collect();
    assert!(!ours.is_empty());
    let child = fork(|| {
        std::thread::sleep(Duration::from_secs(3));
        true
    });
    // The handler has run by the time that fork returns in the child, which is soon.
    std::thread::sleep(Duration::from_millis(100));
    drop(session);
    assert_gone(&ours);
    wait(child);
}

#[test]
fn a_child_that_lives_on_keeps_nothing_in_the_kernel() {
    let _alone = alone();
    left_by_child(&Options::new(), &["program", "map", "link"]);
}

#[test]
fn a_child_that_lives_on_keeps_nothing_attached_that_samples() {
    let _alone = alone();
    // The ring is mapped in the child, too, and is freed with it.
    left_by_child(&Options::new().with_sample_hz(99), &["program", "link"]);
}

#[test]
fn threads_of_a_pid_namespace_are_counted_as_any_others() {
    if is("inside") {
        assert!(std::process::id() < 100, "in a namespace of its own");
        let session = load(&Options::new());
        let slot = session.register().unwrap();
        let before = now(&slot);
        std::thread::sleep(Duration::from_millis(20));
        let spent = now(&slot).since(before);
        assert!(spent.blocked_ns >= 19_000_000, "{spent:?}");
        return;
    }
    let _alone = alone();
    let mut command = again(
        &["unshare", "--pid", "--fork", "--mount-proc"],
        "threads::threads_of_a_pid_namespace_are_counted_as_any_others",
        "inside",
    );
    assert!(command.status().unwrap().success());
}
