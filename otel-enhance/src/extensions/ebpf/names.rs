//! What spans are called, for whoever has samples of them: noted where they are exported.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Spans between two readings; the names of more are not noted.
const MAX: usize = 1 << 16;

/// A span and what it is called.
pub(super) type Name = ([u8; 8], Cow<'static, str>);

/// Whether somebody reads them.
static WANTED: AtomicBool = AtomicBool::new(false);

static NAMES: Mutex<Vec<Name>> = Mutex::new(Vec::new());

fn names() -> MutexGuard<'static, Vec<Name>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A span that is called so was exported.
#[inline(always)]
#[expect(
    clippy::ptr_arg,
    reason = "a name that is borrowed is cloned without a copy"
)]
pub(crate) fn note(span_id: [u8; 8], name: &Cow<'static, str>) {
    if WANTED.load(Ordering::Relaxed) {
        keep(span_id, name);
    }
}

#[cold]
#[expect(clippy::ptr_arg, reason = "as above")]
fn keep(span_id: [u8; 8], name: &Cow<'static, str>) {
    let mut names = names();
    if names.len() < MAX {
        names.push((span_id, name.clone()));
    }
}

/// Says whether somebody reads from now on.
pub(super) fn want(wanted: bool) {
    WANTED.store(wanted, Ordering::Relaxed);
    if !wanted {
        *names() = Vec::new();
    }
}

/// What was noted since, in exchange for a vector that is used again.
pub(super) fn take(mut empty: Vec<Name>) -> Vec<Name> {
    empty.clear();
    std::mem::replace(&mut *names(), empty)
}
