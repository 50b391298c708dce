//! A number that goes from thread to thread, and what it stands for.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::*;

#[test]
fn number_given_up_and_taken_is_one_threads_at_a_time() {
    loom::model(|| {
        let shared = Arc::new((Pool(AtomicU64::new(1)), UnsafeCell::new(0)));
        let use_once = |shared: &(Pool, UnsafeCell<u32>)| {
            let (pool, stands) = shared;
            let mine = Mine::new();
            if mine.take(pool, || true).is_some() {
                // SAFETY: the number is this thread's.
                stands.with_mut(|stands| unsafe { *stands += 1 });
                // The pool has this one only.
                mine.give(0, pool);
            }
            mine.leave(pool);
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || use_once(&shared))
        };
        use_once(&shared);
        other.join().unwrap();
        let (pool, stands) = &*shared;
        assert_eq!(pool.take(), 1);
        // SAFETY: the other thread is gone.
        stands.with(|stands| unsafe { assert!((1..=2).contains(&*stands)) });
    });
}
