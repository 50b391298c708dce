//! Which span is active on the thread, for whoever looks from outside.
#![expect(unsafe_code, reason = "what others read is written in an order")]

use std::sync::atomic::{Ordering, compiler_fence};

use otel_enhance_ebpf::abi::UserLine;

use super::Thread;
use crate::lifecycle::generation;

/// A record of no span.
pub(super) const NO_SPAN: UserLine = UserLine {
    trace_id: [0; 16],
    span_id: [0; 8],
    valid: 0,
    trace_flags: 0,
    attrs_data_size: 0,
    padding: [0; 4],
    stack_end: 0,
    tag: 0,
    unused: [0; 16],
};

impl Thread {
    /// Says which span is active on the thread.
    #[inline(always)]
    pub(super) fn tell(&mut self, trace: u128, span_id: u64, trace_flags: u8) {
        let trace_id = trace.to_le_bytes();
        let span_id = span_id.to_le_bytes();
        if self.pinned.is_some() {
            self.tell_map(Some((trace_id, span_id)));
        }
        if let Some(slot) = self.slot() {
            slot.enter(trace_id, span_id, trace_flags, 0);
        } else if self.is_published {
            // Whoever reads it has stopped the thread: the order of the stores is all that it takes.
            // SAFETY: a field of ours.
            unsafe { (&raw mut self.record.valid).write_volatile(0) };
            compiler_fence(Ordering::SeqCst);
            self.record.trace_id = trace_id;
            self.record.span_id = span_id;
            self.record.trace_flags = trace_flags;
            compiler_fence(Ordering::SeqCst);
            // SAFETY: a field of ours.
            unsafe { (&raw mut self.record.valid).write_volatile(1) };
        }
    }

    #[inline(always)]
    pub(super) fn tell_none(&mut self) {
        if self.pinned.is_some() {
            self.tell_map(None);
        }
        if let Some(slot) = self.slot() {
            slot.leave();
        } else {
            // SAFETY: a field of ours.
            unsafe { (&raw mut self.record.valid).write_volatile(0) };
        }
    }

    #[cold]
    pub(super) fn tell_map(&self, span: Option<([u8; 16], [u8; 8])>) {
        let Some(map) = self.pinned else {
            return;
        };
        if self.generation != generation() {
            // A forked child: the key is that of its parent's thread.
            return;
        }
        // SAFETY: it is in `SLOT`, as the slot is.
        let map = unsafe { map.as_ref() };
        match span {
            Some((trace_id, span_id)) => map.set(self.key, trace_id, span_id),
            None => map.remove(self.key),
        }
    }
}
