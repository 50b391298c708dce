//! What is kept of a span between its slices.
#![expect(
    unsafe_code,
    reason = "a frame points to a place that a poll has lent it"
)]

use super::super::parked::{Entry, Held, Parked, parked};
use super::frame::Frame;
use crate::extensions::ebpf::figures::{Figures, Sums};

/// Adds what waits in the table of this span, which is taken out.
#[inline(never)]
pub(super) fn add_waiting(figures: &mut Figures, span_id: u64, trace: u128) {
    if let Some(held) = parked().and_then(|table| table.take(span_id, trace)) {
        add_entry(figures, held.number());
    }
}

/// Adds what waited in the table, which is taken out.
#[inline(never)]
pub(super) fn add_entry(figures: &mut Figures, entry: u16) {
    let Some(table) = parked() else {
        return;
    };
    let mut next = Held::of_number(entry);
    while let Some(held) = next {
        let (span_id, trace) = table.with(held, |entry| {
            entry.give(figures);
            entry.ids()
        });
        table.free(held);
        // Where it was active on two threads at once, both have put something there.
        next = table.take(span_id, trace);
    }
}

/// Keeps what a slice adds to its span until that is active again, or ends.
pub(super) fn keep(frame: &Frame, all: Sums, now: u64) {
    let own = frame.own_of(all);
    // SAFETY: null, or the poll that lent it goes on.
    match unsafe { frame.place.as_mut() } {
        Some(between) => {
            between.is_lent = false;
            between.add(all, own);
        }
        None => park(frame, now, |entry| entry.add(all, own)),
    }
}

/// The same of one that was nothing but time on a CPU.
#[inline(always)]
pub(super) fn keep_time(frame: &Frame, active: u64) {
    let own = active.wrapping_sub(frame.nested_time());
    // SAFETY: null, or the poll that lent it goes on.
    match unsafe { frame.place.as_mut() } {
        Some(between) => {
            between.is_lent = false;
            between.add_time(active, own);
        }
        None => park_time(frame, active, own),
    }
}

#[inline(never)]
fn park_time(frame: &Frame, active: u64, own: u64) {
    park(frame, frame.time + active, |entry| {
        entry.add_time(active, own);
    });
}

/// The same in the table.
#[inline(always)]
fn park(frame: &Frame, now: u64, add: impl FnOnce(&mut Entry)) {
    let Some(table) = parked() else {
        return;
    };
    let claim = |table: &Parked| table.claim(frame.span_id, frame.trace);
    let Some(held) = Held::of_number(frame.entry).or_else(|| claim(table)) else {
        return;
    };
    table.with(held, add);
    table.put_back_since(held, now);
}
