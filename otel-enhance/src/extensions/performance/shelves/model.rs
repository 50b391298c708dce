//! A thread at its end, and one whose ring is full, against a shutdown.

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::super::record::Record;
use super::*;

/// Pushes `spans` records as a desk does, and says after each that its span has ended.
fn end_spans(
    shelves: &Shelves<usize>,
    spans: usize,
    ended: &AtomicUsize,
    told: &AtomicUsize,
) -> (Arc<Shelf<usize>>, Producer<usize>) {
    let (shelf, mut producer) = shelves.add(1);
    for number in 0..spans {
        if let Err(record) = producer.push(Record::leak(number).seal(0)) {
            tell(shelves.hand_over(&shelf, Some(record)), told);
        }
        ended.fetch_add(1, Ordering::Release);
    }
    (shelf, producer)
}

fn tell(left: Left<usize>, told: &AtomicUsize) {
    if left.telling.is_some() {
        told.fetch_add(left.records.len(), Ordering::Relaxed);
    }
    // Until here a shutdown waits.
    drop(left);
}

/// What a shutdown finds, and the sink knows, when it is done: at least what had ended when it began.
fn shut_down(shelves: &Shelves<usize>, ended: &AtomicUsize, told: &AtomicUsize) {
    let before = ended.load(Ordering::Acquire);
    let mut found = VecDeque::new();
    let gathered = shelves.gather(&mut found);
    while !gathered.tellers.iter().all(Teller::is_done) {
        thread::yield_now();
    }
    let found = found.len();
    drop(shelves.end());
    let told = told.load(Ordering::Relaxed);
    assert!(found + told >= before, "{found} + {told} of {before}");
}

/// `preemptions`: so many in a run at most, where all of them would take too long.
fn model(room: usize, spans: usize, preemptions: Option<usize>) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        let shelves = Arc::new(Shelves::new(room));
        let ended = Arc::new(AtomicUsize::new(0));
        let told = Arc::new(AtomicUsize::new(0));
        let thread = {
            let (shelves, ended, told) =
                (Arc::clone(&shelves), Arc::clone(&ended), Arc::clone(&told));
            thread::spawn(move || {
                let (shelf, _producer) = end_spans(&shelves, spans, &ended, &told);
                // Its closure has returned; its thread-locals are dropped.
                tell(shelves.leave(&shelf), &told);
                shelves.remove(&shelf);
            })
        };
        shut_down(&shelves, &ended, &told);
        thread.join().unwrap();
    });
}

#[test]
fn shutdown_against_a_thread_at_its_end_misses_nothing() {
    model(4, 1, None);
}

#[test]
fn shutdown_against_a_thread_without_room_at_its_end_waits_for_it() {
    model(0, 1, None);
}

#[test]
fn shutdown_against_a_ring_that_is_handed_over_misses_nothing() {
    model(1, 2, Some(3));
}
