//! What the spans whose turn comes soon have on the heap is fetched while the ones before are written: the threads that
//! made them had it last, each attribute in several lines, and a span would wait for them one after the other.

use opentelemetry::Value;
use opentelemetry_sdk::trace::SpanData;

use crate::fetch;

/// So many spans before its turn, one's attributes.
const ATTRIBUTES: usize = 4;
/// And then, for they say where those are, the texts.
const TEXTS: usize = 2;
/// A span with more attributes than usual must not push the next one's out of the cache.
const MOST: usize = 16;

/// For `next`, the spans that follow the one which is about to be written. They are to be freed afterwards, so lines
/// are fetched as for a store.
#[inline(always)]
pub(super) fn fetch(next: &[SpanData]) {
    if let Some(span) = next.get(ATTRIBUTES - 1) {
        let attributes = &span.attributes[..span.attributes.len().min(MOST)];
        let lines = size_of_val(attributes).div_ceil(64);
        fetch::lines_to_write(attributes.as_ptr(), 0..lines);
    }
    if let Some(span) = next.get(TEXTS - 1) {
        for attribute in span.attributes.iter().take(MOST) {
            if let Value::String(text) = &attribute.value {
                fetch::to_write(text.as_str().as_ptr());
            }
        }
    }
}
