use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::super::weight::Weigh;
use super::*;

type Items = VecDeque<Item>;

/// An item with a number and a weight of its own.
#[derive(Debug, PartialEq)]
struct Item(u64, usize);

impl Weigh for Item {
    fn weight(&self) -> usize {
        self.1
    }
}

fn bounds() -> Bounds {
    Bounds {
        items: 1000,
        bytes: 100_000,
        batch_items: 100,
        batch_bytes: 50_000,
        in_flight: 2,
        delay: Duration::from_secs(3600),
    }
}

impl Batch<Items> {
    fn items(&self) -> Vec<&Item> {
        self.chunks.iter().flatten().collect()
    }
}

fn numbers(batch: &Batch<Items>) -> Vec<u64> {
    batch.items().iter().map(|item| item.0).collect()
}

fn push_all(queue: &BatchQueue<Items>, items: impl IntoIterator<Item = u64>) {
    for number in items {
        assert!(matches!(queue.push(Item(number, 10), false), Pushed::Kept));
    }
}

#[test]
fn items_come_out_in_order_in_batches_within_their_bounds() {
    let queue = BatchQueue::<Items>::new(bounds(), DropPolicy::Newest);
    push_all(&queue, 0..250);
    queue.close();
    let mut seen = Vec::new();
    while let Some(batch) = queue.next() {
        assert!(batch.items().len() <= 100, "{}", batch.items().len());
        seen.extend(numbers(&batch));
        queue.completed(batch.ticket);
    }
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
    assert_eq!(queue.level().bytes, 0);
}

/// What came of items.
#[derive(Debug, PartialEq)]
struct Outcome {
    batches: Vec<Vec<u64>>,
    refused: Vec<Refusal>,
    evicted: usize,
    level: Level,
}

/// Pushes groups, or each of their items alone, and another item after the queue is closed.
fn outcome(limits: Bounds, policy: DropPolicy, groups: Vec<Vec<Item>>, in_groups: bool) -> Outcome {
    let queue = BatchQueue::<Items>::new(limits, policy);
    let (mut refused, mut evicted) = (Vec::new(), 0);
    let mut push = |group: Vec<Item>| {
        let weight = group.iter().map(Weigh::weight).sum();
        let group = group.into_iter();
        let refuse = |refusal| refused.push(refusal);
        evicted += if in_groups {
            queue.push_group(group, weight, false, refuse)
        } else {
            queue.push_all(group, false, refuse)
        };
    };
    groups.into_iter().for_each(&mut push);
    let level = queue.level();
    queue.close();
    push(vec![Item(7777, 1)]);
    let mut batches = Vec::new();
    while let Some(batch) = queue.next() {
        batches.push(numbers(&batch));
        queue.completed(batch.ticket);
    }
    Outcome {
        batches,
        refused,
        evicted,
        level,
    }
}

#[test]
fn group_of_items_is_let_in_refused_and_cut_as_each_of_them_alone() {
    let few = Bounds {
        items: 130,
        bytes: 4000,
        batch_items: 50,
        batch_bytes: 1000,
        ..bounds()
    };
    for policy in [DropPolicy::Newest, DropPolicy::Oldest] {
        for (limits, size, most) in [(bounds(), 64, 10), (few, 7, 60), (few, 64, 90), (few, 1, 1)] {
            let [together, alone] = [true, false].map(|in_groups| {
                let item = |number: u64| Item(number, 1 + number as usize * 31 % most);
                let items: Vec<u64> = (0..300).collect();
                let groups = items.chunks(size);
                let groups = groups.map(|group| group.iter().map(|n| item(*n)).collect());
                outcome(limits, policy, groups.collect(), in_groups)
            });
            assert_eq!(together, alone, "{policy:?}, {size}, {most}");
            assert!(together.level.peak_bytes <= limits.bytes);
            assert_eq!(together.refused.last(), Some(&Refusal::Closed));
        }
    }
}

#[test]
fn batch_is_cut_by_bytes_and_a_heavy_item_goes_alone() {
    let limits = Bounds {
        batch_bytes: 1600,
        ..bounds()
    };
    let queue = BatchQueue::<Items>::new(limits, DropPolicy::Newest);
    for number in 0..100 {
        assert!(matches!(queue.push(Item(number, 50), false), Pushed::Kept));
    }
    assert!(matches!(queue.push(Item(100, 20_000), false), Pushed::Kept));
    queue.close();
    let mut items = 0;
    let mut heavy_alone = false;
    while let Some(batch) = queue.next() {
        let bytes: usize = batch.items().iter().map(|item| item.weight()).sum();
        assert!(bytes <= 1600 || batch.items().len() == 1, "{bytes}");
        heavy_alone |= batch.items() == [&Item(100, 20_000)];
        items += batch.items().len();
        queue.completed(batch.ticket);
    }
    assert_eq!(items, 101);
    assert!(heavy_alone);
}

#[test]
fn bytes_in_flight_count_until_the_batch_is_completed() {
    let limits = Bounds {
        bytes: 1000,
        ..bounds()
    };
    let queue = BatchQueue::<Items>::new(limits, DropPolicy::Newest);
    for number in 0..10 {
        assert!(matches!(queue.push(Item(number, 100), false), Pushed::Kept));
    }
    let full = || queue.push(Item(10, 100), false);
    assert!(matches!(full(), Pushed::Refused(Refusal::Bytes)));
    let batch = queue.next().unwrap();
    assert!(matches!(full(), Pushed::Refused(Refusal::Bytes)));
    queue.completed(batch.ticket);
    assert!(matches!(full(), Pushed::Kept));
    assert_eq!(queue.level().peak_bytes, 1000);
}

#[test]
fn full_queue_told_to_drop_the_newest_keeps_the_oldest() {
    let limits = Bounds {
        items: 5,
        ..bounds()
    };
    let queue = BatchQueue::<Items>::new(limits, DropPolicy::Newest);
    push_all(&queue, 0..5);
    assert!(matches!(
        queue.push(Item(5, 10), false),
        Pushed::Refused(Refusal::Items)
    ));
    assert_eq!(numbers(&queue.next().unwrap()), [0, 1, 2, 3, 4]);
}

#[test]
fn full_queue_told_to_drop_the_oldest_keeps_the_newest() {
    let limits = Bounds {
        items: 5,
        ..bounds()
    };
    let queue = BatchQueue::<Items>::new(limits, DropPolicy::Oldest);
    push_all(&queue, 0..5);
    match queue.push(Item(5, 10), false) {
        Pushed::Evicted(out) => assert_eq!(out, [Item(0, 10)]),
        other => panic!("{other:?}"),
    }
    assert_eq!(numbers(&queue.next().unwrap()), [1, 2, 3, 4, 5]);
}

#[test]
fn heavy_item_evicts_as_many_as_it_needs_and_none_if_that_were_in_vain() {
    let limits = Bounds {
        bytes: 1000,
        ..bounds()
    };
    let queue = BatchQueue::<Items>::new(limits, DropPolicy::Oldest);
    for number in 0..10 {
        assert!(matches!(queue.push(Item(number, 100), false), Pushed::Kept));
    }
    match queue.push(Item(10, 250), false) {
        Pushed::Evicted(out) => assert_eq!(out.len(), 3),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        queue.push(Item(11, 1001), false),
        Pushed::Refused(Refusal::Bytes)
    ));
    assert_eq!(queue.level().waiting, 8);
}

#[test]
fn blocked_producer_goes_on_when_a_batch_is_taken() {
    let limits = Bounds {
        items: 5,
        ..bounds()
    };
    let deadline = Duration::from_secs(60);
    let queue = Arc::new(BatchQueue::<Items>::new(
        limits,
        DropPolicy::Block { deadline },
    ));
    push_all(&queue, 0..5);
    let producer = thread::spawn({
        let queue = Arc::clone(&queue);
        move || matches!(queue.push(Item(5, 10), true), Pushed::Kept)
    });
    // A producer that finds no room asks for a batch to be taken, however small.
    let batch = queue.next().unwrap();
    assert_eq!(batch.items().len(), 5);
    assert!(producer.join().unwrap());
}

#[test]
fn blocked_producer_gives_up_at_its_deadline() {
    let limits = Bounds {
        items: 1,
        ..bounds()
    };
    let deadline = Duration::from_millis(50);
    let queue = BatchQueue::<Items>::new(limits, DropPolicy::Block { deadline });
    push_all(&queue, 0..1);
    let begun = Instant::now();
    let refused = queue.push(Item(1, 10), true);
    assert!(matches!(refused, Pushed::Refused(Refusal::Items)));
    assert!(begun.elapsed() >= deadline);
    // On a thread that exports there is no wait.
    let begun = Instant::now();
    let refused = queue.push(Item(1, 10), false);
    assert!(matches!(refused, Pushed::Refused(Refusal::Items)));
    assert!(begun.elapsed() < deadline);
}

#[test]
fn closing_lets_blocked_producers_go() {
    let limits = Bounds {
        items: 1,
        ..bounds()
    };
    let deadline = Duration::from_secs(3600);
    let queue = Arc::new(BatchQueue::<Items>::new(
        limits,
        DropPolicy::Block { deadline },
    ));
    push_all(&queue, 0..1);
    let producer = thread::spawn({
        let queue = Arc::clone(&queue);
        move || queue.push(Item(1, 10), true)
    });
    queue.close();
    let refused = producer.join().unwrap();
    assert!(matches!(refused, Pushed::Refused(Refusal::Closed)));
}

#[test]
fn few_items_wait_for_the_delay_and_no_longer() {
    let delay = Duration::from_millis(80);
    let limits = Bounds { delay, ..bounds() };
    let begun = Instant::now();
    let queue = BatchQueue::<Items>::new(limits, DropPolicy::Newest);
    push_all(&queue, 0..3);
    assert_eq!(queue.next().unwrap().items().len(), 3);
    assert!(begun.elapsed() >= delay);
}

#[test]
fn batches_grow_with_the_number_of_those_in_flight() {
    let limits = Bounds {
        in_flight: 4,
        ..bounds()
    };
    let queue = Arc::new(BatchQueue::<Items>::new(limits, DropPolicy::Newest));
    let mut tickets = Vec::new();
    for smallest in [25, 50, 100, 100] {
        let waiting = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.next().unwrap()
        });
        while queue.lock().idle == 0 {
            thread::yield_now();
        }
        push_all(&queue, 0..smallest);
        let batch = waiting.join().unwrap();
        assert_eq!(batch.items().len() as u64, smallest);
        tickets.push(batch.ticket);
    }
    for ticket in tickets {
        queue.completed(ticket);
    }
}

#[test]
fn flush_waits_for_the_batch_that_was_out_before_it_and_for_no_later_one() {
    let queue = Arc::new(BatchQueue::<Items>::new(bounds(), DropPolicy::Newest));
    push_all(&queue, 0..25);
    let first = queue.next().unwrap();
    push_all(&queue, 25..30);
    let flushed = Arc::new(AtomicBool::new(false));
    let flush = thread::spawn({
        let (queue, flushed) = (Arc::clone(&queue), Arc::clone(&flushed));
        move || {
            let done = queue.flush(Instant::now() + Duration::from_secs(60));
            flushed.store(true, Ordering::SeqCst);
            done
        }
    });
    // The five do not wait for company any more.
    let second = queue.next().unwrap();
    assert_eq!(second.items().len(), 5);
    queue.completed(second.ticket);
    push_all(&queue, 30..31);
    thread::sleep(Duration::from_millis(20));
    assert!(!flushed.load(Ordering::SeqCst), "the first is still out");
    queue.completed(first.ticket);
    assert!(flush.join().unwrap());
    assert_eq!(queue.level().waiting, 1);
}

#[test]
fn flush_of_a_batch_that_never_ends_returns_at_its_deadline() {
    let queue = BatchQueue::<Items>::new(bounds(), DropPolicy::Newest);
    push_all(&queue, 0..100);
    let _hanging = queue.next().unwrap();
    let begun = Instant::now();
    assert!(!queue.flush(begun + Duration::from_millis(50)));
    assert!(begun.elapsed() >= Duration::from_millis(50));
}

#[test]
fn discarding_counts_what_waited_and_ends_the_workers() {
    let queue = BatchQueue::<Items>::new(bounds(), DropPolicy::Newest);
    push_all(&queue, 0..100);
    let out = queue.next().unwrap();
    push_all(&queue, 100..107);
    assert_eq!(queue.discard(), 7);
    assert!(queue.next().is_none());
    queue.completed(out.ticket);
    assert_eq!(queue.level().bytes, 0);
}

/// Many producers, several workers, every policy: what goes in comes out once or is said to be out.
#[test]
fn every_item_under_load_is_taken_evicted_or_refused_exactly_once() {
    const PRODUCERS: u64 = 4;
    const EACH: u64 = 20_000;
    for policy in [
        DropPolicy::Newest,
        DropPolicy::Oldest,
        DropPolicy::Block {
            deadline: Duration::from_millis(1),
        },
    ] {
        let limits = Bounds {
            items: 300,
            bytes: 5_000,
            batch_items: 64,
            batch_bytes: 1_000,
            in_flight: 3,
            delay: Duration::from_millis(1),
        };
        let queue = Arc::new(BatchQueue::<Items>::new(limits, policy));
        let lost = AtomicUsize::new(0);
        let seen = Mutex::new(vec![false; (PRODUCERS * EACH) as usize]);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        while let Some(batch) = queue.next() {
                            let mut seen = seen.lock().unwrap();
                            for item in batch.items() {
                                assert!(!std::mem::replace(&mut seen[item.0 as usize], true));
                            }
                            drop(seen);
                            queue.completed(batch.ticket);
                        }
                    })
                })
                .collect();
            let producers: Vec<_> = (0..PRODUCERS)
                .map(|producer| {
                    let (queue, lost) = (&queue, &lost);
                    scope.spawn(move || {
                        for number in 0..EACH {
                            let number = producer * EACH + number;
                            let out = match queue.push(Item(number, 1 + number as usize % 90), true)
                            {
                                Pushed::Kept => 0,
                                Pushed::Evicted(out) => out.len(),
                                Pushed::Refused(_) => 1,
                            };
                            lost.fetch_add(out, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            for producer in producers {
                producer.join().unwrap();
            }
            assert!(queue.flush(Instant::now() + Duration::from_secs(60)));
            queue.close();
            for worker in workers {
                worker.join().unwrap();
            }
        });
        let taken = seen.lock().unwrap().iter().filter(|seen| **seen).count();
        let lost = lost.load(Ordering::Relaxed);
        assert_eq!(taken + lost, (PRODUCERS * EACH) as usize, "{policy:?}");
        let level = queue.level();
        assert_eq!((level.waiting, level.bytes, level.in_flight), (0, 0, 0));
        assert!(level.peak_bytes <= 5_000, "{}", level.peak_bytes);
    }
}
