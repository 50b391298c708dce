//! The law where threads attach whatever contexts they like: the same one on several threads and within itself, others on
//! top of it, and none at all, in which case nothing counts for what is below.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use otel_enhance::trace::{TraceContextExt as _, Tracer as _};
use otel_enhance::{Context, KeyValue, enhanced_trace, global};

use crate::common::{BOTH, Random, Shares, alone, clock, install_full, number, spin};

const THREADS: u64 = 4;
/// Spans that every thread attaches.
const SHARED: u64 = 40;
const DEPTH: u32 = 6;
/// How far two clocks may be apart.
const TOLERANCE: u64 = 2_000;

/// Wall time by a reading within and one around.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    least: u64,
    most: u64,
}

impl Bounds {
    fn add(&mut self, more: Self) {
        self.least += more.least;
        self.most += more.most;
    }

    fn without(self, part: Self) -> Self {
        Self {
            least: self.least.saturating_sub(part.most),
            most: self.most - part.least,
        }
    }

    fn has(self, ours: u64, tolerance: u64) -> bool {
        ours + tolerance >= self.least && ours <= self.most + tolerance
    }
}

/// What a span did by the wall's clock.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    total: Bounds,
    own: Bounds,
    slices: u64,
}

/// What happened in one context: how long it was attached, and of that others on top, and outside of all spans.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    all: Bounds,
    nested: Bounds,
    outside: Bounds,
}

struct Work<'a> {
    random: Random,
    shared: &'a [Context],
    truth: &'a Mutex<HashMap<u64, Truth>>,
    /// Spans that are active on this thread, since it was last outside of all.
    active: Vec<u64>,
    next: u64,
    goes_outside: bool,
}

fn context(name: &'static str, n: u64) -> Context {
    let tracer = global::tracer("contexts");
    let n = KeyValue::new("n", i64::try_from(n).unwrap());
    let span = tracer.span_builder(name).with_attributes([n]);
    Context::current_with_span(span.start(&tracer))
}

#[enhanced_trace(fields(n = n))]
fn annotated(work: &mut Work<'_>, depth: u32, n: u64) -> Slice {
    work.inside(depth)
}

impl Work<'_> {
    fn step(&mut self) {
        match self.random.below(8) {
            0 | 1 => spin(Duration::from_micros(self.random.below(40))),
            2 => std::thread::sleep(Duration::from_micros(self.random.below(80))),
            3 => std::thread::yield_now(),
            _ => {}
        }
    }

    fn inside(&mut self, depth: u32) -> Slice {
        let begin = clock();
        let mut slice = Slice::default();
        self.step();
        if depth < DEPTH {
            for _ in 0..self.random.below(3) {
                let nested = self.another(depth + 1);
                slice.nested.add(nested.all);
                slice.outside.add(nested.outside);
                self.step();
            }
        }
        slice.all.least = clock() - begin;
        slice
    }

    /// Attaches some context.
    fn another(&mut self, depth: u32) -> Slice {
        let before = clock();
        let kind = self.random.below(if self.goes_outside { 10 } else { 9 });
        if kind == 9 {
            let active = std::mem::take(&mut self.active);
            let attached = Context::new().attach();
            let mut slice = self.inside(depth);
            drop(attached);
            self.active = active;
            slice.all.most = clock() - before;
            slice.outside = slice.all;
            return slice;
        }
        let n = if kind < 5 {
            self.random.below(SHARED)
        } else {
            self.next += 1;
            self.next
        };
        self.active.push(n);
        let mut slice = if kind < 5 {
            let _attached = self.shared[n as usize].clone().attach();
            self.inside(depth)
        } else if kind == 5 {
            let context = context("by_hand", n);
            let attached = context.clone().attach();
            let slice = self.inside(depth);
            if self.random.below(2) == 0 {
                context.span().end();
            }
            drop(attached);
            slice
        } else {
            annotated(self, depth, n)
        };
        self.active.pop();
        slice.all.most = clock() - before;
        let mut truth = self.truth.lock().unwrap();
        let truth = truth.entry(n).or_default();
        truth.own.add(slice.all.without(slice.nested));
        if !self.active.contains(&n) {
            truth.total.add(slice.all.without(slice.outside));
            truth.slices += 1;
        }
        slice
    }
}

fn assert_lawful(span: &SpanData, truth: &Truth, told: &str) {
    let told = format!("{told}: {span:?} is not {truth:?}");
    let total = Shares::total(span).expect(&told).active();
    let own = Shares::own(span).expect(&told).active();
    assert!(own <= total, "{told}");
    // Of its own there are more pieces, with what was nested between.
    let tolerance = TOLERANCE * (truth.slices + 1);
    assert!(truth.total.has(total, tolerance), "{told}");
    assert!(truth.own.has(own, 10 * tolerance), "{told}");
}

fn law(goes_outside: bool) {
    let _alone = alone();
    for path in BOTH {
        for round in 0..2 {
            let (guard, kept) = install_full(path);
            let shared: Vec<_> = (0..SHARED).map(|n| context("shared", n)).collect();
            let all = Mutex::new(HashMap::new());
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let mut work = Work {
                        random: Random(1 + thread * 7_919 + round * 104_729),
                        shared: &shared,
                        truth: &all,
                        active: Vec::new(),
                        next: (thread + 1) * 1_000_000,
                        goes_outside,
                    };
                    scope.spawn(move || {
                        for _ in 0..250 {
                            work.another(0);
                        }
                    });
                }
            });
            for context in &shared {
                context.span().end();
            }
            drop(shared);
            guard.shutdown().unwrap();
            let mut all = all.into_inner().unwrap();
            for span in kept.take() {
                let truth = all.remove(&number(&span, "n").unwrap()).unwrap();
                let told = format!("{path:?}, round {round}");
                assert_lawful(&span, &truth, &told);
                if !goes_outside {
                    let polls = number(&span, "otel_enhance.polls").unwrap_or(1);
                    assert_eq!(polls, truth.slices, "{told}: {span:?}");
                }
            }
            assert!(all.is_empty(), "{path:?}: {} are missing", all.len());
        }
    }
}

#[test]
fn spans_that_are_active_here_and_there_have_each_its_own() {
    law(false);
}

#[test]
fn spans_that_are_active_again_while_outside_of_all_have_each_its_own() {
    law(true);
}
