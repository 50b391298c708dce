//! Records that no thread uses.
//!
//! Records are recycled and never freed: a handle that a forgotten context keeps must be able to look
//! at its record for ever. So their number is the greatest that ever was needed at once: spans that
//! are open, spans that wait for their export, and at most [`KEPT`](super::desk::KEPT) free ones a
//! thread, which come back here when the thread ends. What a span keeps on the heap is freed when the
//! span has been exported.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::contents::Contents;
use super::record::{Owned, Record};

static FREE: Mutex<Vec<Owned<Contents>>> = Mutex::new(Vec::new());

/// New ones are made so many at once.
const CHUNK: usize = 32;

/// The pool's lock, which a fork holds so that the child finds it free.
pub(crate) struct PoolGuard(MutexGuard<'static, Vec<Owned<Contents>>>);

impl PoolGuard {
    pub(crate) fn lock() -> Self {
        Self(FREE.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Moves vacant records into `free`, `wanted` of them or a few more.
pub(super) fn take(free: &mut Vec<Owned<Contents>>, wanted: usize) {
    let mut pool = PoolGuard::lock();
    let left = pool.0.len().saturating_sub(wanted);
    free.extend(pool.0.drain(left..));
    drop(pool);
    if free.is_empty() {
        free.extend(Record::leak_several(CHUNK.min(wanted), Contents::vacant));
    }
}

/// Brings vacant records back.
pub(super) fn give(records: impl IntoIterator<Item = Owned<Contents>>) {
    PoolGuard::lock().0.extend(records);
}
