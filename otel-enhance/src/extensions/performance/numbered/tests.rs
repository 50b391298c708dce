use std::collections::BTreeSet;

use super::*;

fn full() -> Pool {
    Pool(AtomicU64::new(u64::MAX))
}

fn index(number: &Number) -> usize {
    let of = |place: *const Place| place.addr();
    (of(number.0) - of(&raw const PLACES[0])) / size_of::<Place>()
}

fn free(pool: &Pool) -> u32 {
    pool.0.load(Ordering::Relaxed).count_ones()
}

#[test]
fn numbers_taken_are_different_until_there_are_none() {
    let (pool, mine) = (full(), Mine::new());
    let mut taken = BTreeSet::new();
    while let Some(number) = mine.take(&pool, || true) {
        assert!(taken.insert(index(&number)));
    }
    assert_eq!(taken.len(), COUNT);
    mine.give(7, &pool);
    assert_eq!(mine.take(&pool, || true).as_ref().map(index), Some(7));
    assert!(mine.take(&pool, || true).is_none());
}

#[test]
fn thread_keeps_few_numbers_and_leaves_none_behind() {
    let (pool, mine) = (full(), Mine::new());
    let taken: Vec<_> = std::iter::from_fn(|| mine.take(&pool, || true)).collect();
    for number in taken {
        mine.give(index(&number), &pool);
        assert_eq!(mine.count.get(), mine.free.get().count_ones());
        assert!(mine.count.get() <= KEPT);
    }
    assert_eq!(free(&pool) + mine.count.get(), COUNT as u32);
    mine.leave(&pool);
    assert_eq!(free(&pool), COUNT as u32);
    assert!(mine.take(&pool, || false).is_none());
}

#[test]
fn thread_that_will_not_give_numbers_back_keeps_none() {
    let (pool, others, mine) = (full(), Mine::new(), Mine::new());
    let number = others.take(&pool, || true).unwrap();
    assert!(mine.take(&pool, || false).is_none());
    // A context of another thread was dropped here.
    mine.give(index(&number), &pool);
    assert_eq!((mine.count.get(), mine.free.get()), (NONE_KEPT, 0));
    others.leave(&pool);
    assert_eq!(free(&pool), COUNT as u32);
}
