//! The list in which the attributes of a span are gathered. A backend that keeps the list gets a new one
//! each time; one that empties it hands it back, and the thread uses it again.

use opentelemetry::KeyValue;

#[cfg(feature = "performance")]
pub(crate) use kept::give;

/// An empty list with room for so many attributes.
#[inline(always)]
pub(super) fn vec(attributes: usize) -> Vec<KeyValue> {
    #[cfg(feature = "performance")]
    if attributes > 0
        && let Some(mut vec) = kept::take()
    {
        vec.reserve(attributes);
        return vec;
    }
    Vec::with_capacity(attributes)
}

#[cfg(feature = "performance")]
mod kept {
    use std::cell::Cell;
    use std::mem;

    use opentelemetry::KeyValue;

    thread_local! {
        static KEPT: Cell<Vec<KeyValue>> = const { Cell::new(Vec::new()) };
    }

    /// More than this is not kept for a thread that may never need it again.
    const MOST: usize = 64;

    #[inline(always)]
    pub(super) fn take() -> Option<Vec<KeyValue>> {
        let vec = KEPT.try_with(Cell::take).ok()?;
        if vec.capacity() == 0 {
            mem::forget(vec);
            return None;
        }
        Some(vec)
    }

    /// Keeps an emptied list for the thread's next span.
    #[inline(always)]
    pub(crate) fn give(mut vec: Vec<KeyValue>) {
        vec.clear();
        if vec.capacity() <= MOST {
            // What was kept meanwhile, by a span that began while this one gathered, is let go.
            let _ = KEPT.try_with(|kept| drop(kept.replace(vec)));
        }
    }
}
