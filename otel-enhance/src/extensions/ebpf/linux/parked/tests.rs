use super::*;

const TRACE: u128 = 7;

#[test]
fn entry_given_back_is_found_by_both_ids_alone() {
    let table = Parked::new();
    let held = table.claim(0x10, TRACE).unwrap();
    table.with(held, |entry| entry.activations = 3);
    assert_eq!(table.take(0x10, TRACE), None, "it is held");
    table.put_back(held);
    assert_eq!(table.take(0x11, TRACE), None, "the lowest bit is told");
    assert_eq!(table.take(0x10, 8), None);
    let found = table.take(0x10, TRACE).unwrap();
    assert_eq!(table.with(found, |entry| entry.activations), 3);
    table.free(found);
    assert_eq!(table.take(0x10, TRACE), None);
}

/// As many ids as are asked for, of the same near and the same far line.
fn same_lines(table: &Parked, count: usize) -> Vec<u64> {
    let lines = |id: u64| (table.near(id).0, table.far(id).0);
    let same = (1_u64..).map(|n| n * 2).filter(|id| lines(*id) == lines(2));
    same.take(count).collect()
}

#[test]
fn spans_that_wait_longer_than_the_near_line_has_room_for_are_found_in_the_far_one() {
    let table = Parked::new();
    let same = same_lines(&table, WAYS + 3);
    for (age, id) in same.iter().enumerate() {
        let held = table.claim(*id, TRACE).unwrap();
        assert!(held.0 < (NEAR * WAYS) as u32, "it is near");
        table.with(held, |entry| entry.add_time(*id, 1));
        table.put_back_since(held, age as u64);
    }
    for id in &same {
        let held = table.take(*id, TRACE).expect("it is there");
        let times = table.with(held, |entry| entry.one_simple());
        assert_eq!(times, Some((*id, 1)));
    }
    assert_eq!(table.lost(), 0);
}

#[test]
fn full_line_gives_up_what_waits_longest() {
    let table = Parked::new();
    let same = same_lines(&table, 2 * WAYS + 1);
    for (age, id) in same.iter().enumerate() {
        let held = table.claim(*id, TRACE).unwrap();
        table.put_back_since(held, 100 + age as u64);
    }
    assert_eq!(table.lost(), 1);
    let oldest = same[0];
    assert_eq!(table.take(oldest, TRACE), None);
    for id in same.iter().filter(|id| **id != oldest) {
        assert!(table.take(*id, TRACE).is_some(), "{id}");
    }
    // All are held now.
    assert_eq!(table.claim(oldest, TRACE), None);
}

#[test]
fn threads_that_take_and_give_lose_no_count() {
    let table = Parked::new();
    let held = table.claim(42, TRACE).unwrap();
    table.put_back(held);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut left = 10_000;
                while left > 0 {
                    if let Some(held) = table.take(42, TRACE) {
                        table.with(held, |entry| entry.activations += 1);
                        table.put_back(held);
                        left -= 1;
                    } else {
                        std::hint::spin_loop();
                    }
                }
            });
        }
    });
    let held = table.take(42, TRACE).unwrap();
    assert_eq!(table.with(held, |entry| entry.activations), 40_000);
}

#[test]
fn span_that_waits_is_found_while_others_make_room_in_its_line() {
    let table = Parked::new();
    let same = same_lines(&table, 2 * WAYS);
    let (ours, others) = same.split_first().unwrap();
    table.put_back_since(table.claim(*ours, TRACE).unwrap(), u64::MAX);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for since in 0.. {
                // The oldest of the line makes room for each.
                let other = others[since as usize % others.len()];
                if let Some(held) = table.claim(other, TRACE) {
                    table.put_back_since(held, since);
                }
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let found = (0..500_000).take_while(|_| {
            let held = table.take(*ours, TRACE);
            held.inspect(|held| table.put_back_since(*held, u64::MAX))
                .is_some()
        });
        let found = found.count();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(found, 500_000, "nobody else takes it");
    });
    assert!(table.is_far_used.load(Ordering::Relaxed));
}
