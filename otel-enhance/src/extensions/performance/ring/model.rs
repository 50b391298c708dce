//! The whole way of a span: written by a handle on another thread, ended, pushed, drained, used again.

use loom::thread;

use super::*;

#[test]
fn drain_against_push_loses_and_repeats_nothing() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(2);
        let mut taken = Vec::new();
        let pusher = thread::spawn(move || {
            let mut refused = 0;
            for number in 0..3_u32 {
                if producer
                    .push(Record::leak(number).seal(u64::from(number) + 1))
                    .is_err()
                {
                    refused += 1;
                }
            }
            refused
        });
        let mut look = |mut record: Sealed<u32>| {
            let number = record.with(|number| *number);
            assert_eq!(record.note(), u64::from(number) + 1);
            taken.push(number);
        };
        consumer.drain(&mut look);
        let refused = pusher.join().unwrap();
        consumer.drain(&mut look);
        assert_eq!(taken.len() + refused, 3);
        assert!(taken.is_sorted());
    });
}

#[test]
fn end_against_late_write_against_drain_and_next_use() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(1);
        let handle = Record::leak(0_u32).publish();
        let writer = thread::spawn(move || {
            handle.lock().is_some_and(|mut locked| {
                locked.with(|contents| *contents += 1);
                true
            })
        });
        let drainer = thread::spawn(move || {
            let mut seen = None;
            consumer.drain(|mut record| {
                seen = Some(record.with(|contents| std::mem::replace(contents, 100)));
                // Used again at once.
                let next = record.open().publish();
                next.lock().unwrap().with(|contents| *contents += 1);
                assert_eq!(next.lock().unwrap().with(|contents| *contents), 101);
            });
            (seen, consumer)
        });
        producer
            .push(handle.end(|contents| *contents += 10).unwrap().seal(1))
            .unwrap();
        let written = writer.join().unwrap();
        let (mut seen, mut consumer) = drainer.join().unwrap();
        consumer.drain(|mut record| seen = Some(record.with(|contents| *contents)));
        assert_eq!(seen, Some(if written { 11 } else { 10 }));
    });
}
