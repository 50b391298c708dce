//! A span costs the encoder no allocation: it reuses its buffers.
#![cfg(feature = "simd")]
#![expect(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use otel_enhance::extensions::simd::SpanEncoder;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is that of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is that of the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is that of the system's allocator.
        unsafe { System.realloc(at, layout, size) }
    }
}

fn events(index: u64) -> SpanEvents {
    let mut events = SpanEvents::default();
    if index.is_multiple_of(3) {
        let attributes = vec![KeyValue::new("text", format!("event of {index}"))];
        events.events = vec![Event::new("retry", UNIX_EPOCH, attributes, 1)];
    }
    events
}

fn links(index: u64) -> SpanLinks {
    let mut links = SpanLinks::default();
    if index % 3 == 1 {
        links.links = vec![Link::with_context(SpanContext::NONE)];
    }
    links
}

fn batch(spans: u64, scopes: u64) -> Vec<SpanData> {
    const NAMES: [&str; 3] = ["shop", "cart", "catalog"];
    (0..spans)
        .map(|index| SpanData {
            span_context: SpanContext::new(
                TraceId::from(u128::from(index) + 1),
                SpanId::from(index + 1),
                TraceFlags::SAMPLED,
                false,
                "vendor=value".parse().unwrap_or_default(),
            ),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: format!("GET /carts/{index}").into(),
            start_time: UNIX_EPOCH,
            end_time: UNIX_EPOCH,
            attributes: vec![
                KeyValue::new("text", format!("value {index}")),
                KeyValue::new("number", index as i64),
                KeyValue::new("double", 0.1 + index as f64),
                KeyValue::new("list", opentelemetry::Value::Array(vec![1_i64, 2].into())),
            ],
            dropped_attributes_count: 0,
            events: events(index),
            links: links(index),
            status: Status::error("no"),
            instrumentation_scope: InstrumentationScope::builder(NAMES[(index % scopes) as usize])
                .with_attributes([KeyValue::new("team", "blue")])
                .build(),
        })
        .collect()
}

#[test]
fn encoder_that_is_warm_allocates_as_little_for_many_spans_as_for_few() {
    let resource = Resource::builder_empty().with_service_name("shop").build();
    for scopes in [1, 3] {
        let mut encoders = vec![SpanEncoder::protobuf(&resource)];
        #[cfg(feature = "otlp-json")]
        encoders.push(SpanEncoder::json(&resource));
        for encoder in &mut encoders {
            let mut allocations = |spans| {
                let batch = batch(spans, scopes);
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                drop(encoder.encode(batch));
                ALLOCATIONS.load(Ordering::Relaxed) - before
            };
            for _ in 0..3 {
                allocations(2000);
            }
            let (many, few) = (allocations(2000), allocations(10));
            assert_eq!(many, few, "{scopes} scopes");
            // The handle on the request.
            assert!(many <= 2, "{many} allocations a batch");
        }
    }
}
