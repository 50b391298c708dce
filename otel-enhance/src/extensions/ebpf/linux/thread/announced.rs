//! What our own functions attach, said beforehand.

use std::sync::atomic::Ordering;

use super::super::running::EPOCH;
use super::{Next, number_of, with};

/// The fast path has started a span, at this time, and the next thing that happens on this thread is that its context is
/// attached, by [`as_announced`].
///
/// As a rule everything is known by now, so that the observer, which contexts have to tell, need not ask them.
#[inline(always)]
pub(crate) fn announce(trace_id: [u8; 16], span_id: [u8; 8], trace_flags: u8, time: u64) {
    let epoch = EPOCH.load(Ordering::Relaxed);
    let span_id = u64::from_le_bytes(span_id);
    with(|thread| thread.announce(epoch, (number_of(trace_id), span_id, trace_flags), time));
}

/// Calls `attach`, which attaches a context, and before that nothing: the one that was announced, if one was.
#[inline(always)]
pub(crate) fn as_announced<R>(attach: impl FnOnce() -> R) -> R {
    let _announced = Announced;
    attach()
}

/// Until this is dropped the observer takes the next context for the one that was announced.
struct Announced;

impl Drop for Announced {
    #[inline(always)]
    fn drop(&mut self) {
        with(|thread| {
            if thread.next != Next::Unknown {
                thread.call_off();
            }
        });
    }
}
