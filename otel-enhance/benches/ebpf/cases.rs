//! What a worker does, and how it is compared.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use otel_enhance::trace::{TraceContextExt as _, Tracer as _};
use otel_enhance::{Context, EnhancedPipeline, TelemetryGuard, enhanced_trace, global};

use crate::floor::{self, Observe};
use crate::sink::Sink;

#[derive(Clone, Copy)]
pub(crate) enum Compare {
    Difference,
    Ratio,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) compare: Compare,
    pub(crate) limit: f64,
    pub(crate) unit: &'static str,
    pub(crate) run: fn() -> f64,
    /// The other side where that is no other binary but this one without an option.
    pub(crate) base: Option<fn() -> f64>,
}

const fn span(name: &'static str, limit: f64, run: fn() -> f64) -> Case {
    Case {
        name,
        compare: Compare::Difference,
        limit,
        unit: "ns",
        run,
        base: None,
    }
}

const fn load(name: &'static str, limit: f64, unit: &'static str, run: fn() -> f64) -> Case {
    Case {
        name,
        compare: Compare::Ratio,
        limit,
        unit,
        run,
        base: None,
    }
}

#[cfg(all(feature = "ebpf", target_os = "linux"))]
use crate::options::CASES as OPTIONS;
#[cfg(not(all(feature = "ebpf", target_os = "linux")))]
const OPTIONS: &[Case] = &[];

/// Behind a case's name: the other side of it.
pub(crate) const BASE: &str = "/base";

static CASES: &[Case] = &[
    span("macro_sync", 30.0, || {
        spans(true, 1, |n| repeat(n, |_| _ = black_box(sync())))
    }),
    span("macro_nested_10", 30.0, || {
        spans(true, 10, |n| repeat(n, |_| _ = black_box(nested(9))))
    }),
    span("macro_async", 30.0, || {
        spans(true, 1, |n| repeat(n, |_| block_on(yields(0))))
    }),
    span("extra_poll", 25.0, || {
        // Eight more of them.
        spans(true, 1, |n| repeat(n, |_| block_on(yields(8)))) / 8.0
    }),
    span("macro_sync_sdk", 200.0, || {
        spans(false, 1, |n| repeat(n, |_| _ = black_box(sync())))
    }),
    span("by_hand", 200.0, || {
        spans(false, 1, |n| repeat(n, |_| by_hand()))
    }),
    load("ping_pong", 1.12, "ns", ping_pong),
    load("sampled_99_hz", 1.01, "ns", sampled),
    // Spans become `SpanData` for an official exporter, which drops them.
    load("tokio_echo", 1.03, "ns of CPU", || {
        echo(install(true, None))
    }),
    // They go to a receiver, as OTLP over HTTP.
    load("tokio_echo_otlp", 1.03, "ns of CPU", || {
        let sink = Sink::start();
        echo(install_to(&sink))
    }),
    // An observer that does nothing.
    span("floor_sync", f64::INFINITY, || {
        spans_of(floor::install(true, Observe::Nothing), 1, |n| {
            repeat(n, |_| _ = black_box(sync()));
        })
    }),
    span("floor_nested_10", f64::INFINITY, || {
        spans_of(floor::install(true, Observe::Nothing), 10, |n| {
            repeat(n, |_| _ = black_box(nested(9)));
        })
    }),
    span("floor_async", f64::INFINITY, || {
        spans_of(floor::install(true, Observe::Nothing), 1, |n| {
            repeat(n, |_| block_on(yields(0)));
        })
    }),
    span("floor_sync_sdk", f64::INFINITY, || {
        spans_of(floor::install(false, Observe::Ticks), 1, |n| {
            repeat(n, |_| _ = black_box(sync()));
        })
    }),
    // The tick counter where a span becomes active, and where it no longer is.
    span("floor_poll", f64::INFINITY, || {
        let guard = floor::install(true, Observe::Ticks);
        spans_of(guard, 1, |n| repeat(n, |_| block_on(yields(8)))) / 8.0
    }),
    span("floor_by_hand", f64::INFINITY, || {
        let guard = floor::install(false, Observe::Ticks);
        spans_of(guard, 1, |n| repeat(n, |_| by_hand()))
    }),
    // And six attributes where spans are exported.
    load("floor_echo", f64::INFINITY, "ns of CPU", || {
        echo(floor::install(true, Observe::Ticks))
    }),
];

pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(OPTIONS)
}

/// What a worker was started for: a case, or its base.
pub(crate) fn run(name: &str) -> f64 {
    let (name, is_base) = match name.strip_suffix(BASE) {
        Some(name) => (name, true),
        None => (name, false),
    };
    let case = all().find(|case| case.name == name);
    let case = case.expect("there is such a case");
    let run = if is_base { case.base } else { Some(case.run) };
    run.expect("the case has a base")()
}

#[derive(Debug)]
pub(crate) struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

fn install(fast: bool, hz: Option<u32>) -> TelemetryGuard {
    let mut pipeline = otel_enhance::new_enhanced_pipeline()
        .with_service_name("bench")
        .with_error_handler(|_| {})
        .with_exporter(Discard);
    if fast {
        pipeline = pipeline.with_performance();
    }
    watched(pipeline, hz).install_batch().expect("it installs")
}

fn install_to(sink: &Sink) -> TelemetryGuard {
    let pipeline = otel_enhance::new_enhanced_pipeline()
        .with_service_name("bench")
        .with_error_handler(|_| {})
        .with_endpoint(&sink.endpoint)
        .with_performance();
    watched(pipeline, None)
        .install_batch()
        .expect("it installs")
}

#[cfg(feature = "ebpf")]
fn watched(pipeline: EnhancedPipeline, hz: Option<u32>) -> EnhancedPipeline {
    // What the feature costs where nobody asks for it.
    if std::env::var_os("BENCH_EBPF_OFF").is_some() {
        return pipeline;
    }
    let pipeline = pipeline.with_ebpf_profiling(true);
    match hz {
        Some(hz) => pipeline.with_ebpf_sample_hz(hz),
        None => pipeline,
    }
}

#[cfg(not(feature = "ebpf"))]
fn watched(pipeline: EnhancedPipeline, _: Option<u32>) -> EnhancedPipeline {
    pipeline
}

#[enhanced_trace(code = false)]
pub(crate) fn sync() -> u64 {
    black_box(1)
}

#[enhanced_trace(code = false)]
fn nested(more: u64) -> u64 {
    if more == 0 {
        0
    } else {
        black_box(nested(more - 1)) + 1
    }
}

#[enhanced_trace(code = false)]
async fn yields(times: u32) {
    for _ in 0..times {
        Yield(false).await;
    }
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

fn block_on(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let mut task = TaskContext::from_waker(Waker::noop());
    while black_box(future.as_mut().poll(&mut task)).is_pending() {}
}

fn by_hand() {
    let tracer = global::tracer("by hand");
    let context = Context::current_with_span(tracer.start("by_hand"));
    let attached = context.clone().attach();
    black_box(());
    drop(attached);
    context.span().end();
}

pub(crate) fn repeat(times: u64, mut call: impl FnMut(u64)) {
    for n in 0..times {
        call(black_box(n));
    }
}

/// Nanoseconds a span, the lowest decile of bursts; between them everything is exported.
fn spans(fast: bool, each: u64, run: impl Fn(u64)) -> f64 {
    spans_of(install(fast, None), each, run)
}

pub(crate) fn spans_of(guard: TelemetryGuard, each: u64, run: impl Fn(u64)) -> f64 {
    const BURST: u64 = 400;
    let mut all = Vec::new();
    let milliseconds = std::env::var("BENCH_EBPF_MS").ok();
    let milliseconds = milliseconds.and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_millis(milliseconds.unwrap_or(400));
    while Instant::now() < end {
        let begin = Instant::now();
        run(BURST / each);
        all.push(begin.elapsed().as_nanos() as f64 / BURST as f64);
        let _ = guard.force_flush();
    }
    drop(guard);
    all.sort_by(f64::total_cmp);
    all[all.len() / 10]
}

#[cfg(target_os = "linux")]
use crate::switches::{cpu_of_process, cpu_of_thread, ping_pong_under};
#[cfg(not(target_os = "linux"))]
use elsewhere::{cpu_of_process, cpu_of_thread, ping_pong_under};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    pub(crate) fn cpu_of_process() -> u64 {
        0
    }
    pub(crate) fn cpu_of_thread() -> u64 {
        0
    }
    pub(crate) fn ping_pong_under(_: impl Fn() -> otel_enhance::Context + Sync) -> f64 {
        0.0
    }
}

/// Two threads on one CPU, each under a span.
fn ping_pong() -> f64 {
    ping_pong_of(install(true, None))
}

pub(crate) fn ping_pong_of(guard: TelemetryGuard) -> f64 {
    let tracer = guard.tracer("ping");
    let took = ping_pong_under(|| Context::new().with_span(tracer.start("pong")));
    drop(guard);
    took
}

/// A computation under a span, sampled.
fn sampled() -> f64 {
    let guard = install(true, Some(99));
    let tracer = guard.tracer("compute");
    let attached = Context::new().with_span(tracer.start("compute")).attach();
    let mut all = Vec::new();
    for _ in 0..8 {
        let begin = cpu_of_thread();
        let mut sum = 0_u64;
        for number in 0..30_000_000_u64 {
            sum = black_box(sum ^ number);
        }
        all.push((cpu_of_thread() - begin) as f64);
    }
    drop(attached);
    drop(guard);
    // All of it: samples hit some rounds and others not.
    all.iter().sum()
}

#[enhanced_trace(code = false)]
async fn answer(stream: &mut tokio::net::TcpStream, buffer: &mut [u8; 64]) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    if stream.read_exact(buffer).await.is_err() {
        return false;
    }
    look_up(buffer);
    stream.write_all(buffer).await.is_ok()
}

/// What a small service does for a request: some microseconds.
#[enhanced_trace(code = false)]
fn look_up(buffer: &mut [u8; 64]) {
    for _ in 0..40 {
        for at in 1..buffer.len() {
            buffer[at] = buffer[at].wrapping_mul(31).wrapping_add(buffer[at - 1]);
        }
        black_box(&mut *buffer);
    }
}

/// CPU time of the process for a request to an echo service, with clients in the same process.
fn echo(guard: TelemetryGuard) -> f64 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    const CLIENTS: u64 = 8;
    const REQUESTS: u64 = 4_000;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let took = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while answer(&mut stream, &mut buffer).await {}
                });
            }
        });
        let begin = cpu_of_process();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                tokio::spawn(async move {
                    let stream = tokio::net::TcpStream::connect(address).await;
                    let mut stream = stream.expect("the service is there");
                    let _ = stream.set_nodelay(true);
                    let mut buffer = [7; 64];
                    for _ in 0..REQUESTS {
                        stream.write_all(&buffer).await.expect("it listens");
                        stream.read_exact(&mut buffer).await.expect("it answers");
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("a client ends well");
        }
        cpu_of_process() - begin
    });
    drop(guard);
    took as f64 / (CLIENTS * REQUESTS) as f64
}
