use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn ring_full_gives_back_and_takes_again_after_a_drain() {
    let (mut producer, mut consumer) = ring(3);
    for number in 0..4 {
        producer.push(Record::leak(number).seal(10)).unwrap();
    }
    let mut refused = producer.push(Record::leak(4).seal(14)).unwrap_err();
    assert_eq!((refused.with(|number| *number), refused.note()), (4, 14));
    let mut taken = Vec::new();
    consumer.drain(|mut record| taken.push(record.with(|number| *number)));
    assert_eq!(taken, [0, 1, 2, 3]);
    assert_eq!(consumer.len(), 0);
    assert_eq!(producer.push(refused).unwrap(), 5);
    assert_eq!(consumer.len(), 1);
}

#[test]
fn ring_between_two_threads_loses_and_repeats_nothing() {
    const RECORDS: u64 = if cfg!(miri) { 300 } else { 100_000 };
    let (mut producer, mut consumer) = ring(64);
    let (free, records) = std::sync::mpsc::channel();
    for _ in 0..100 {
        free.send(Record::leak((0, Box::new(0_u64)))).unwrap();
    }
    // Where many others want the processor, each turn takes long: fewer are enough.
    let last = AtomicU64::new(RECORDS);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let last = &last;
        scope.spawn(move || {
            for number in 0..RECORDS {
                if number >= RECORDS / 10 && begun.elapsed() > Duration::from_secs(10) {
                    last.store(number, Ordering::Relaxed);
                    break;
                }
                let mut record = records.recv().unwrap();
                record.with(|contents| *contents = (number, Box::new(number)));
                let record = record.publish().end(|contents| *contents.1 += 1).unwrap();
                let mut record = record.seal(number);
                while let Err(refused) = producer.push(record) {
                    record = refused;
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < last.load(Ordering::Relaxed) {
            consumer.drain(|mut record| {
                assert_eq!(record.note(), next);
                record.with(|(number, boxed)| {
                    assert_eq!((*number, **boxed), (next, next + 1));
                });
                next += 1;
                // The producer may be done.
                let _ = free.send(record.open());
            });
            std::thread::yield_now();
        }
    });
}
