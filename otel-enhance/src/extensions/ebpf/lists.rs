//! Lists with room for one attribute, which go round: who ends a span takes one, who exports it gives it back.
//!
//! Memory that one thread asks for and another one frees is the dearest there is: without this, it was most of what
//! the figures of a span without attributes cost whoever ended it.

use std::cell::RefCell;
use std::mem;
use std::sync::Mutex;

use opentelemetry::KeyValue;

use crate::fetch;

/// Lists that go from thread to thread together.
const TOGETHER: usize = 64;

/// Of these on the shelf, at most: some 4,000 lists of 64 bytes.
const MOST: usize = 64;

type Lists = Vec<Vec<KeyValue>>;

/// Nobody waits for it.
static SHELF: Mutex<Vec<Lists>> = Mutex::new(Vec::new());

thread_local! {
    static HERE: RefCell<Lists> = const { RefCell::new(Vec::new()) };
}

/// An empty list with room for one attribute.
#[inline]
pub(super) fn take() -> Vec<KeyValue> {
    let kept = HERE.try_with(|here| {
        let mut here = here.try_borrow_mut().ok()?;
        if here.is_empty() {
            *here = SHELF.try_lock().ok()?.pop()?;
        }
        let list = here.pop();
        if let Some(next) = here.last() {
            fetch::to_write(next.as_ptr());
        }
        list
    });
    kept.ok().flatten().unwrap_or_else(|| Vec::with_capacity(1))
}

/// Whether it is such a list.
pub(super) const fn is_one(list: &Vec<KeyValue>) -> bool {
    list.is_empty() && list.capacity() == 1
}

/// Gives such a list back.
pub(super) fn give(list: Vec<KeyValue>) {
    let _ = HERE.try_with(|here| {
        let Ok(mut here) = here.try_borrow_mut() else {
            return;
        };
        if here.len() == TOGETHER {
            let full = mem::replace(&mut *here, Vec::with_capacity(TOGETHER));
            if let Ok(mut shelf) = SHELF.try_lock()
                && shelf.len() < MOST
            {
                shelf.push(full);
            }
        }
        here.push(list);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_given_on_one_thread_is_taken_on_another() {
        let given: Vec<_> = std::thread::spawn(|| {
            let lists: Vec<Vec<KeyValue>> = (0..=TOGETHER).map(|_| Vec::with_capacity(1)).collect();
            let places = lists.iter().map(|list| list.as_ptr() as usize).collect();
            lists.into_iter().for_each(give);
            places
        })
        .join()
        .unwrap();
        // Others may have taken them meanwhile, or be at the shelf.
        let taken = (0..1_000).find_map(|_| {
            let list = take();
            let found = given.contains(&(list.as_ptr() as usize));
            found.then_some(list)
        });
        let list = taken.expect("the first of them lie on the shelf");
        assert!(is_one(&list));
    }

    #[test]
    fn list_that_has_more_room_is_none_of_them() {
        assert!(is_one(&take()));
        assert!(!is_one(&Vec::new()));
        assert!(!is_one(&Vec::with_capacity(4)));
        assert!(!is_one(&vec![KeyValue::new("key", 1)]));
    }
}
