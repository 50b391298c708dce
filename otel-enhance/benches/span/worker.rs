//! One process: one implementation in one global state.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};

use crate::{by_hand, enhanced, fastrace_spans, floor, plain, stats, tracing_spans};

/// What is installed in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Recording,
    NotSampled,
    /// Not sampled, under a parent that is not either, whose ids our spans inherit.
    Inherited,
    Nothing,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [
        Self::Recording,
        Self::NotSampled,
        Self::Inherited,
        Self::Nothing,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::NotSampled => "not_sampled",
            Self::Inherited => "inherited",
            Self::Nothing => "nothing",
        }
    }
}

/// One case: its name, the spans that one call makes, and a loop of calls.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) spans: u64,
    pub(crate) run: fn(u64),
}

/// One implementation.
pub(crate) struct Implementation {
    pub(crate) name: &'static str,
    /// By which its ratio is computed.
    pub(crate) baseline: &'static str,
    pub(crate) install: fn(State),
    /// What is done between two measurements, and not measured.
    pub(crate) settle: fn(),
    pub(crate) cases: &'static [Case],
}

pub(crate) static IMPLEMENTATIONS: &[Implementation] = &[
    by_hand::BARE,
    enhanced::BARE,
    #[cfg(feature = "performance")]
    enhanced::FAST,
    by_hand::WITH_CODE,
    enhanced::DEFAULT,
    #[cfg(feature = "performance")]
    enhanced::FAST_DEFAULT,
    tracing_spans::TRACING,
    fastrace_spans::FASTRACE,
    floor::FLOOR,
    plain::PLAIN,
];

/// The table of cases, the same for each implementation: functions of these names in scope.
macro_rules! cases {
    () => {
        &[
            crate::worker::Case {
                name: "attributes_0",
                spans: 1,
                run: |n| crate::worker::repeat(n, |i| attributes_0(i)),
            },
            crate::worker::Case {
                name: "attributes_3",
                spans: 1,
                run: |n| {
                    crate::worker::repeat(n, |i| attributes_3(i, true, "a text of 24 characters."))
                },
            },
            crate::worker::Case {
                name: "nested_2",
                spans: 2,
                run: |n| crate::worker::repeat(n, |i| nested(i, 1)),
            },
            crate::worker::Case {
                name: "nested_10",
                spans: 10,
                run: |n| crate::worker::repeat(n, |i| nested(i, 9)),
            },
            crate::worker::Case {
                name: "async_0",
                spans: 1,
                run: |n| crate::worker::repeat(n, |i| crate::worker::block_on(yields(i, 0))),
            },
            crate::worker::Case {
                name: "async_1",
                spans: 1,
                run: |n| crate::worker::repeat(n, |i| crate::worker::block_on(yields(i, 1))),
            },
        ]
    };
}
pub(crate) use cases;

#[inline(always)]
pub(crate) fn repeat(calls: u64, mut call: impl FnMut(u64) -> u64) {
    for i in 0..calls {
        black_box(call(black_box(i)));
    }
}

/// The work inside each span.
#[inline(never)]
pub(crate) fn work(i: u64) -> u64 {
    black_box(i) + 1
}

/// A future that is pending once.
pub(crate) struct Yield(pub(crate) bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// The work of an `async` case.
pub(crate) async fn work_and_yield(i: u64, yields: u32) -> u64 {
    for _ in 0..yields {
        Yield(false).await;
    }
    work(i)
}

#[inline(always)]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// The processor of every SDK provider: it drops what it gets.
#[derive(Debug)]
pub(crate) struct Null;

static ENDED: AtomicU64 = AtomicU64::new(0);

impl SpanProcessor for Null {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        drop(black_box(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Counts what it drops, for `--check`.
#[derive(Debug)]
pub(crate) struct Count;

/// Whether spans are counted instead of dropped.
pub(crate) fn is_counting() -> bool {
    std::env::args().any(|argument| argument == "--count")
}

impl SpanProcessor for Count {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, _span: SpanData) {
        ENDED.fetch_add(1, Ordering::Relaxed);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The provider of a state, the same for each implementation on the SDK.
pub(crate) fn provider(state: State) -> Option<SdkTracerProvider> {
    #[cfg(all(feature = "performance", feature = "otlp-http"))]
    if let Some(provider) = crate::whole::provider() {
        return Some(provider);
    }
    let builder = SdkTracerProvider::builder();
    let builder = if is_counting() {
        builder.with_span_processor(Count)
    } else {
        builder.with_span_processor(Null)
    };
    match state {
        State::Recording => Some(builder.build()),
        State::NotSampled | State::Inherited => {
            Some(builder.with_sampler(Sampler::AlwaysOff).build())
        }
        State::Nothing => None,
    }
}

/// `IMPLEMENTATION STATE CASE|all MODE`: `time` prints nanoseconds, `count` spans, a number runs so
/// many calls and prints nothing.
pub(crate) fn run(arguments: &[String]) {
    let [implementation, state, case, mode, ..] = arguments else {
        panic!("the driver gives four arguments");
    };
    let implementation = IMPLEMENTATIONS
        .iter()
        .find(|known| known.name == implementation)
        .expect("a known implementation");
    let state = State::ALL
        .into_iter()
        .find(|known| known.name() == state)
        .expect("a known state");
    (implementation.install)(state);
    let _parent = (state == State::Inherited).then(|| {
        let ids = SpanContext::new(
            TraceId::from(7),
            SpanId::from(8),
            TraceFlags::NOT_SAMPLED,
            true,
            TraceState::NONE,
        );
        opentelemetry::Context::new()
            .with_remote_span_context(ids)
            .attach()
    });
    for known in implementation.cases {
        if case != "all" && known.name != case {
            continue;
        }
        match mode.as_str() {
            "time" => println!(
                "{} {}",
                known.name,
                time(known, state, implementation.settle)
            ),
            "--count" => {
                let before = ENDED.load(Ordering::Relaxed);
                (known.run)(10);
                (implementation.settle)();
                let spans = ENDED.load(Ordering::Relaxed) - before;
                println!("{} {spans}", known.name);
            }
            calls => {
                // Counted is what a process does that has been up for a while: the records are there.
                let calls = calls.parse().expect("a number of calls");
                (known.run)(calls);
                (implementation.settle)();
                counted_calls(known.run, calls);
            }
        }
    }
}

/// Valgrind counts what happens in here, by its name.
#[inline(never)]
fn counted_calls(run: fn(u64), calls: u64) {
    run(calls);
    black_box(());
}

/// Nanoseconds a span: of many short batches the tenth quickest in a hundred. What else the machine
/// does can only add to a batch, so these are the ones that it left alone.
fn time(case: &Case, state: State, settle: fn()) -> f64 {
    let calls = match state {
        State::Nothing => 10_000,
        _ => 300 / case.spans,
    };
    (case.run)(calls);
    let mut batches = Vec::new();
    let started = Instant::now();
    while batches.len() < 20 || started.elapsed() < Duration::from_millis(12) {
        settle();
        let batch = Instant::now();
        (case.run)(calls);
        batches.push(batch.elapsed().as_nanos() as f64 / (calls * case.spans) as f64);
    }
    stats::quantile(&mut batches, 0.1)
}
