//! A span of `performance` with up to four attributes allocates what the official `Context` does, and
//! nothing of ours.
#![cfg(feature = "performance")]
#![expect(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use otel_enhance::{enhanced_trace, new_enhanced_pipeline};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is that of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is that of the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is that of the system's allocator.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[derive(Debug)]
struct Null;

impl SpanProcessor for Null {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[enhanced_trace]
fn without_attributes() {}

#[enhanced_trace(capture(number, flag, share), fields(text = "static"))]
fn with_four(number: i64, flag: bool, share: f64) -> f64 {
    if flag { share } else { number as f64 }
}

const CALLS: usize = 100;

/// Allocations of this thread in so many calls.
fn allocations(mut call: impl FnMut()) -> usize {
    let before = ALLOCATIONS.get();
    for _ in 0..CALLS {
        call();
    }
    ALLOCATIONS.get() - before
}

#[test]
fn span_with_up_to_four_attributes_allocates_what_its_context_does() {
    let guard = new_enhanced_pipeline()
        .with_no_exporter()
        .with_performance()
        .with_end_processor(Null)
        .with_exit_handler(false)
        .install_batch()
        .expect("the only pipeline");
    let both = || {
        without_attributes();
        assert!(with_four(1, true, 0.5) > 0.0);
    };
    // The thread's ring is made, and more records than are needed at once below, whoever holds some.
    for _ in 0..3 {
        for _ in 0..10 {
            let _ = allocations(both);
        }
        guard.force_flush().expect("nobody to wait for");
    }
    // The official context has its span behind an `Arc`, in a box that takes nothing from the heap.
    assert_eq!(allocations(without_attributes), CALLS);
    assert_eq!(
        allocations(|| {
            let _ = with_four(1, true, 0.5);
        }),
        CALLS
    );
    guard.shutdown().expect("nobody to wait for");
}
