//! `RUSTFLAGS="--cfg otel_enhance_loom" cargo test -p otel-enhance --features performance --lib model`

use loom::thread;

use super::*;

#[test]
fn end_against_late_write_leaves_the_next_owner_alone() {
    loom::model(|| {
        let first = Record::leak(0_u32).publish();
        let writer = thread::spawn(move || {
            first.lock().is_some_and(|mut locked| {
                locked.with(|contents| *contents += 1);
                true
            })
        });
        let mut owned = first.end(|contents| *contents += 10).unwrap();
        let seen = owned.with(|contents| std::mem::replace(contents, 100));
        let second = owned.publish();
        second.lock().unwrap().with(|contents| *contents += 1);
        let written = writer.join().unwrap();
        assert_eq!(seen, if written { 11 } else { 10 });
        assert_eq!(second.lock().unwrap().with(|contents| *contents), 101);
    });
}

#[test]
fn ends_on_two_threads_one_wins() {
    loom::model(|| {
        let handle = Record::leak(0_u32).publish();
        let other = thread::spawn(move || handle.end(|contents| *contents += 1).is_some());
        let here = handle.end(|contents| *contents += 1);
        let there = other.join().unwrap();
        assert_ne!(here.is_some(), there);
        if let Some(mut owned) = here {
            assert_eq!(owned.with(|contents| *contents), 1);
        }
    });
}

#[test]
fn handle_had_before_the_record_is_published_waits_for_that() {
    loom::model(|| {
        let mut owned = Record::leak(0_u32);
        let early = owned.handle();
        let writer = thread::spawn(move || early.lock().unwrap().with(|contents| *contents += 1));
        owned.with(|contents| *contents = 10);
        let handle = owned.publish();
        writer.join().unwrap();
        assert_eq!(handle.end(|_| ()).unwrap().with(|contents| *contents), 11);
    });
}
