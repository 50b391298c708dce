//! What the official `Context` costs by itself: a span without a size, for which its `Box` takes nothing from the heap,
//! and which does nothing, in a context that is attached and detached, and the two readings of the tick counter that any
//! span needs. A second thread waits, as that of any pipeline which exports: the C library's allocator does without locks
//! in a process that has one only, and keeps no more than seven blocks of a size where it needs none.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the tick counter is read by an intrinsic")
)]

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use opentelemetry::trace::{FutureExt as _, Span, SpanContext, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};

use crate::worker::{Implementation, State, cases, work, work_and_yield};

struct Nothing;

static IDS: SpanContext = SpanContext::NONE;

impl Span for Nothing {
    fn add_event_with_timestamp<T: Into<Cow<'static, str>>>(
        &mut self,
        _: T,
        _: SystemTime,
        _: Vec<KeyValue>,
    ) {
    }
    fn span_context(&self) -> &SpanContext {
        &IDS
    }
    fn is_recording(&self) -> bool {
        true
    }
    fn set_attribute(&mut self, _: KeyValue) {}
    fn set_status(&mut self, _: Status) {}
    fn update_name<T: Into<Cow<'static, str>>>(&mut self, _: T) {}
    fn add_link(&mut self, _: SpanContext, _: Vec<KeyValue>) {}
    fn end_with_timestamp(&mut self, _: SystemTime) {}
}

static PLACE: AtomicU64 = AtomicU64::new(0);

#[cfg(target_arch = "x86_64")]
fn now() -> u64 {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn now() -> u64 {
    0
}

/// Where spans are not sampled, their ids are all that there is of them.
static SAMPLED: AtomicBool = AtomicBool::new(true);

fn context() -> Context {
    if SAMPLED.load(Ordering::Relaxed) {
        PLACE.store(now(), Ordering::Relaxed);
        Context::current_with_span(Nothing)
    } else {
        Context::map_current(|current| current.with_remote_span_context(SpanContext::NONE))
    }
}

struct End;
impl Drop for End {
    fn drop(&mut self) {
        if SAMPLED.load(Ordering::Relaxed) {
            PLACE.store(now(), Ordering::Relaxed);
        }
    }
}

pub(crate) const FLOOR: Implementation = Implementation {
    name: "floor",
    baseline: "sdk",
    install: |state| {
        SAMPLED.store(state == State::Recording, Ordering::Relaxed);
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
    },
    settle: || (),
    cases: cases!(),
};

#[inline(never)]
fn attributes_0(i: u64) -> u64 {
    let _active = context().attach();
    let _end = End;
    work(i)
}

#[inline(never)]
fn attributes_3(i: u64, flag: bool, text: &str) -> u64 {
    let _active = context().attach();
    let _end = End;
    work(i) + u64::from(flag) + text.len() as u64
}

#[inline(never)]
fn nested(i: u64, deeper: u32) -> u64 {
    let _active = context().attach();
    let _end = End;
    if deeper == 0 {
        work(i)
    } else {
        black_box(nested(i, deeper - 1))
    }
}

async fn yields(i: u64, yields: u32) -> u64 {
    let context = context();
    let result = work_and_yield(i, yields).with_context(context).await;
    let _end = End;
    result
}
