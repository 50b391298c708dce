//! The law: CPU time, blocked and run queue are the time that a span was active, for every span.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use otel_enhance::enhanced_trace;
use otel_enhance::trace::{TraceContextExt as _, Tracer as _};
use otel_enhance::{Context, KeyValue, global};

use crate::common::{
    BOTH, Path, Random, Shares, all_exported, alone, clock, install_full, number, spin,
};

/// How far two clocks may be apart.
const TOLERANCE: u64 = 2_000;

/// What a span did by the wall's clock: at least this, and at most that; and of it nested.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    least: u64,
    most: u64,
    nested_least: u64,
    nested_most: u64,
}

type Truth = Mutex<HashMap<u64, Bounds>>;

/// One of the things that functions do.
fn work(random: &mut Random, contended: &Mutex<()>) {
    let micros = Duration::from_micros(random.below(120));
    match random.below(7) {
        0 | 1 => spin(micros / 2),
        2 => std::thread::sleep(micros),
        3 => std::thread::yield_now(),
        4 => {
            let _held = contended.lock().unwrap();
            spin(micros / 4);
        }
        _ => {}
    }
}

struct Work<'a> {
    random: Random,
    contended: &'a Mutex<()>,
    truth: &'a Truth,
    next: u64,
    last: u64,
}

impl Work<'_> {
    fn number(&mut self) -> Option<u64> {
        (self.next < self.last).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Makes spans of this kind until they are enough, some of them nested.
    fn spans(&mut self, depth: u32, span: fn(&mut Self, u32, u64) -> Bounds) -> (u64, u64) {
        let mut nested = (0, 0);
        let count = if depth == 0 {
            u64::MAX
        } else {
            self.random.below(3)
        };
        for _ in 0..count {
            let Some(number) = self.number() else {
                break;
            };
            let before = clock();
            let inside = span(self, depth, number);
            let most = clock() - before;
            self.truth
                .lock()
                .unwrap()
                .insert(number, Bounds { most, ..inside });
            nested.0 += inside.least;
            nested.1 += most;
        }
        nested
    }

    fn body(&mut self, depth: u32, span: fn(&mut Self, u32, u64) -> Bounds) -> Bounds {
        let begin = clock();
        work(&mut self.random, self.contended);
        let nested = if depth < 4 {
            self.spans(depth + 1, span)
        } else {
            (0, 0)
        };
        work(&mut self.random, self.contended);
        Bounds {
            least: clock() - begin,
            most: 0,
            nested_least: nested.0,
            nested_most: nested.1,
        }
    }
}

#[enhanced_trace(fields(n = n))]
fn annotated(work: &mut Work<'_>, depth: u32, n: u64) -> Bounds {
    work.body(depth, annotated)
}

/// The same with the official API.
fn by_hand(work: &mut Work<'_>, depth: u32, n: u64) -> Bounds {
    let tracer = global::tracer("by hand");
    let span = tracer
        .span_builder("by_hand")
        .with_attributes([KeyValue::new("n", i64::try_from(n).unwrap())])
        .start(&tracer);
    let context = Context::current_with_span(span);
    let attached = context.clone().attach();
    let mut inside = work.body(depth, by_hand);
    context.span().end();
    drop(attached);
    // It is active once more after its end, which counts for the one around it.
    let again = context.attach();
    drop(again);
    inside.most = 0;
    inside
}

fn check(spans: &[SpanData], truth: &Truth, expected: u64) {
    let truth = truth.lock().unwrap();
    assert_eq!(spans.len() as u64, expected);
    assert_eq!(truth.len() as u64, expected);
    for span in spans {
        let bounds = truth[&number(span, "n").unwrap()];
        let total = Shares::total(span).unwrap_or_else(|| panic!("no figures: {span:?}"));
        let active = total.active();
        assert!(
            active + TOLERANCE >= bounds.least && active <= bounds.most + TOLERANCE,
            "{active} is not within {bounds:?}: {total:?}"
        );
        let own = Shares::own(span).unwrap();
        let (least, most) = (
            bounds.least.saturating_sub(bounds.nested_most),
            bounds.most - bounds.nested_least,
        );
        let active = own.active();
        assert!(
            active + TOLERANCE >= least && active <= most + TOLERANCE,
            "of its own {active} is not within {least} and {most}, {bounds:?}: {own:?} of {total:?}"
        );
    }
}

fn law(path: Path, span: fn(&mut Work<'_>, u32, u64) -> Bounds) {
    const THREADS: u64 = 4;
    const SPANS: u64 = 2_500;
    let _alone = alone();
    let (guard, kept) = install_full(path);
    let truth = Truth::default();
    let contended = Mutex::new(());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (truth, contended) = (&truth, &contended);
            scope.spawn(move || {
                let mut work = Work {
                    random: Random((thread + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                    contended,
                    truth,
                    next: thread * SPANS,
                    last: (thread + 1) * SPANS,
                };
                work.spans(0, span);
            });
        }
    });
    all_exported(&guard, THREADS * SPANS);
    guard.shutdown().unwrap();
    check(&kept.take(), &truth, THREADS * SPANS);
}

#[test]
fn ten_thousand_spans_of_functions_add_up_to_the_time_that_passed() {
    for path in BOTH {
        law(path, annotated);
    }
}

#[test]
fn ten_thousand_spans_by_hand_add_up_to_the_time_that_passed() {
    for path in BOTH {
        law(path, by_hand);
    }
}
