use std::time::{Duration, Instant};

use super::*;

#[test]
fn handle_after_the_end_finds_nothing_even_when_the_record_is_used_again() {
    let first = Record::leak(vec![1]).publish();
    first.lock().unwrap().with(|list| list.push(2));
    let mut owned = first.end(|list| list.push(3)).unwrap();
    assert!(!first.is_live());
    assert!(first.lock().is_none());
    assert!(first.end(|_| unreachable!()).is_none());
    assert_eq!(owned.with(std::mem::take), [1, 2, 3]);

    let second = owned.publish();
    assert!(second.is_live() && !first.is_live());
    assert!(first.lock().is_none());
    assert!(second.lock().unwrap().with(|list| list.is_empty()));
}

#[test]
fn handles_on_several_threads_take_turns_until_one_ends() {
    const THREADS: usize = 4;
    let begun = Instant::now();
    for round in 0..if cfg!(miri) { 2 } else { 200 } {
        // Those who spin for a lock whose holder waits for a processor take long, where there are few.
        if round >= 20 && begun.elapsed() > Duration::from_secs(10) {
            break;
        }
        let handle = Record::leak((0_u64, 0_u64)).publish();
        let writes = std::thread::scope(|scope| {
            let writers = [(); THREADS].map(|()| {
                scope.spawn(move || {
                    let mut written = 0;
                    while let Some(mut locked) = handle.lock() {
                        locked.with(|(left, right)| {
                            assert_eq!(left, right);
                            *left += 1;
                            *right += 1;
                        });
                        drop(locked);
                        written += 1;
                        // Else a thread that has to go, on a busy machine, goes with the lock as a rule,
                        // and all others wait for its return.
                        if written % 8 == 0 {
                            std::thread::yield_now();
                        }
                    }
                    written
                })
            });
            while handle.lock().unwrap().with(|(left, _)| *left) < 100 {
                std::thread::yield_now();
            }
            let mut owned = handle.end(|_| ()).unwrap();
            let ended_at = owned.with(|(left, _)| *left);
            // The next owner's contents are its own.
            let next = owned.publish();
            next.lock().unwrap().with(|pair| *pair = (7, 7));
            let written: u64 = writers.map(|writer| writer.join().unwrap()).iter().sum();
            assert_eq!(next.lock().unwrap().with(|pair| *pair), (7, 7));
            (written, ended_at)
        });
        assert_eq!(writes.0, writes.1);
    }
}
