//! Sleeps as samples: how long, in which span, and with which stack.

use std::time::Duration;

use otel_enhance_ebpf::abi::{Sample, flag};
use otel_enhance_ebpf::loader::{Options, Session};

use crate::common::{alone, load, now};
use crate::samples::pointers;

const MILLISECOND: u64 = 1_000_000;

fn sleeps(session: &mut Session) -> Vec<(Sample, Vec<u8>)> {
    let mut all = Vec::new();
    session.samples().unwrap().drain(|sample, stack| {
        assert!(sample.flags & flag::OFF_CPU != 0, "{sample:?}");
        all.push((*sample, stack.to_vec()));
    });
    all
}

fn a_sleep_is_one_sample(options: &Options) {
    let mut session = load(&options.clone().with_sleep_samples(1_000, 64));
    let slot = session.register().unwrap();
    let before = now(&slot);
    slot.enter([3; 16], [4; 8], 1, 5);
    let local = 0_u64;
    let local = std::hint::black_box(&raw const local) as u64;
    std::thread::sleep(Duration::from_millis(20));
    slot.leave();
    let spent = now(&slot).since(before);
    let all = sleeps(&mut session);
    assert_eq!(all.len(), 1, "{all:?}");
    let (sample, stack) = &all[0];
    assert_eq!((sample.trace_id, sample.span_id), ([3; 16], [4; 8]));
    assert_eq!((sample.tag, sample.slot), (5, slot.number()));
    assert!(sample.flags & flag::SPAN != 0);
    assert!(sample.blocked_ns >= 20 * MILLISECOND);
    assert!(sample.blocked_ns <= spent.blocked_ns);
    assert!(sample.time_ns > before.since_ns);
    assert!(sample.time_ns + sample.blocked_ns <= now(&slot).since_ns);
    let (ip, sp) = pointers(sample);
    assert!(ip != 0 && ip >> 63 == 0);
    assert!(sp < local && local - sp < stack.len() as u64);
}

#[test]
fn a_sleep_within_a_span_is_one_sample_of_its_length_with_its_stack() {
    let _alone = alone();
    a_sleep_is_one_sample(&Options::new());
    a_sleep_is_one_sample(&Options::new().with_early_switch());
}

#[test]
fn sleeps_that_are_short_or_in_no_span_are_no_samples() {
    let _alone = alone();
    let mut session = load(&Options::new().with_sleep_samples(200_000, 64));
    let slot = session.register().unwrap();
    slot.enter([3; 16], [4; 8], 1, 5);
    std::thread::sleep(Duration::from_millis(2));
    slot.leave();
    std::thread::sleep(Duration::from_millis(300));
    session.set_sampling(false);
    slot.enter([3; 16], [4; 8], 1, 5);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(sleeps(&mut session).len(), 0);
}

#[test]
fn sample_of_a_thread_that_is_gone_is_not_taken_for_its_slots_next_owner() {
    let _alone = alone();
    let mut session = load(&Options::new().with_sleep_samples(1_000, 64));
    let spare = session.registrar();
    let gone = std::thread::spawn(move || {
        let slot = spare.register().unwrap();
        slot.enter([1; 16], [1; 8], 1, 1);
        std::thread::sleep(Duration::from_millis(5));
        slot.number()
    })
    .join()
    .unwrap();
    let slot = session.register().unwrap();
    assert_eq!(slot.number(), gone);
    let all = sleeps(&mut session);
    assert_eq!(all.len(), 1);
    // SAFETY: no condition.
    let own = unsafe { libc::gettid() }.unsigned_abs();
    let thread = session.samples().unwrap().thread(&all[0].0);
    assert_ne!(thread, Some(own));
}

#[test]
fn sleeps_beyond_the_room_are_counted_and_those_within_go_on() {
    let _alone = alone();
    let mut session = load(&Options::new().with_sleep_samples(1_000, 1));
    let first = session.register().unwrap();
    let spare = session.registrar();
    std::thread::spawn(move || {
        let slot = spare.register().unwrap();
        slot.enter([1; 16], [1; 8], 1, 1);
        std::thread::sleep(Duration::from_millis(5));
    })
    .join()
    .unwrap();
    assert!(session.sleeps_unwatched() > 0);
    assert_eq!(sleeps(&mut session).len(), 0);
    first.enter([2; 16], [2; 8], 1, 2);
    std::thread::sleep(Duration::from_millis(5));
    let all = sleeps(&mut session);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].0.span_id, [2; 8]);
}

#[test]
fn the_whole_of_a_wait_on_a_lock_is_in_its_samples() {
    let _alone = alone();
    let mut session = load(&Options::new().with_sleep_samples(1_000, 64));
    let slot = session.register().unwrap();
    let lock = std::sync::Mutex::new(());
    let mut expected = 0;
    for round in 1..=10_u64 {
        let (ready, go) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let held = lock.lock().unwrap();
                ready.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(round));
                drop(held);
            });
            go.recv().unwrap();
            let before = now(&slot);
            slot.enter([8; 16], [8; 8], 1, round);
            drop(lock.lock().unwrap());
            slot.leave();
            expected += now(&slot).since(before).blocked_ns;
        });
    }
    let all = sleeps(&mut session);
    let sum: u64 = all.iter().map(|(sample, _)| sample.blocked_ns).sum();
    assert!(sum <= expected);
    // What is shorter than a millisecond is left out: one such wait a round at most.
    assert!(
        expected - sum <= 10 * MILLISECOND,
        "{sum} of {expected} in {} samples",
        all.len()
    );
    assert!(all.len() >= 8, "{}", all.len());
}
