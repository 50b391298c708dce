//! What RED metrics cost a span: its caller, and all threads of the process.
//!
//! `cargo bench -p otel-enhance --features performance --bench red -- [--rounds N] [--strict]` starts itself
//! as one process per implementation and sampling, takes turns between them for 9 rounds, and prints medians
//! and the ratio to the implementation named, from the same round.
//!
//! - `sdk`, `performance`: spans without metrics, which nobody looks at.
//! - `sdk_red`, `performance_red`: the same with our metrics. `…_scalar`: with `OTEL_ENHANCE_SIMD=scalar`.
//! - `…_meter`: with our metrics, reported to an official `Meter`.
//! - `sdk_official`: a processor that adds to an official counter and records into an official exponential
//!   histogram when a span ends, with the same four attributes. Only spans that are recorded reach it, so for
//!   those that are not sampled there is no such side.
//!
//! Spans have three attributes and one of eight names. Bursts of 300 are timed, the tenth quickest in a
//! hundred counts; between them the metrics are read, so that columns do not fill. `all` is what all
//! threads ran, those pauses included. `--strict` fails if our metrics cost the caller of an SDK span more
//! than the official instruments do.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark is a program that prints, and that stops at what it does not expect"
)]

#[path = "export/process.rs"]
#[expect(dead_code, reason = "the other benchmark uses all of it")]
mod process;
#[path = "span/stats.rs"]
mod stats;

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use otel_enhance::extensions::simd::{DEFAULT_MAX_SERIES, red_view};
use otel_enhance::{TelemetryGuard, enhanced_trace, new_enhanced_pipeline};

use crate::stats::{median, quantile};

/// Name, what its ratio is to, and whether it is there for spans that are not sampled.
const IMPLEMENTATIONS: [(&str, &str, bool); 8] = [
    ("sdk", "sdk", true),
    ("sdk_official", "sdk", false),
    ("sdk_red", "sdk", true),
    ("sdk_red_meter", "sdk_official", true),
    ("performance", "sdk", true),
    ("performance_red", "performance", true),
    ("performance_red_scalar", "performance", true),
    ("performance_red_meter", "performance", true),
];

macro_rules! functions {
    ($($name:ident)*) => {
        $(
            #[enhanced_trace(code = false, kind = "server", fields(order.id = i, paid = true, shop = "corner"))]
            fn $name(i: u64) -> u64 {
                work(i)
            }
        )*
        const FUNCTIONS: [fn(u64) -> u64; 8] = [$($name),*];
    };
}

functions! { order pay ship refund search browse login review }

#[inline(never)]
fn work(i: u64) -> u64 {
    black_box(i) + 1
}

/// Drops what it gets.
#[derive(Debug)]
struct Null;

/// The official way by hand.
#[derive(Debug)]
struct Instruments {
    calls: Counter<u64>,
    duration: Histogram<f64>,
}

impl SpanProcessor for Null {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        drop(black_box(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl SpanProcessor for Instruments {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        let attributes = [
            KeyValue::new("service.name", "shop"),
            KeyValue::new("span.kind", "SPAN_KIND_SERVER"),
            KeyValue::new("span.name", span.name.clone()),
            KeyValue::new("status.code", "STATUS_CODE_UNSET"),
        ];
        let took = span.end_time.duration_since(span.start_time);
        self.calls.add(1, &attributes);
        let seconds = took.unwrap_or_default().as_secs_f64();
        self.duration.record(seconds, &attributes);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Metrics that nobody wants.
#[derive(Debug)]
struct Nowhere;

impl PushMetricExporter for Nowhere {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        black_box(metrics);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn meters() -> SdkMeterProvider {
    SdkMeterProvider::builder()
        .with_view(red_view(DEFAULT_MAX_SERIES))
        .with_reader(PeriodicReader::builder(Nowhere).build())
        .build()
}

/// What lives as long as the worker does.
struct Installed {
    guard: Option<TelemetryGuard>,
    meters: Option<SdkMeterProvider>,
}

fn install(implementation: &str, sampled: bool) -> Installed {
    let sampler = if sampled {
        Sampler::AlwaysOn
    } else {
        Sampler::AlwaysOff
    };
    if matches!(implementation, "sdk" | "sdk_official") {
        let provider = SdkTracerProvider::builder().with_sampler(sampler);
        let official = (implementation == "sdk_official").then(meters);
        let provider = match &official {
            None => provider.with_span_processor(Null),
            Some(meters) => {
                let meter = meters.meter("spanmetrics");
                provider.with_span_processor(Instruments {
                    calls: meter.u64_counter("traces.span.metrics.calls").build(),
                    duration: meter.f64_histogram("traces.span.metrics.duration").build(),
                })
            }
        };
        otel_enhance::set_tracer_provider(provider.build());
        return Installed {
            guard: None,
            meters: official,
        };
    }
    let mut pipeline = new_enhanced_pipeline()
        .with_service_name("shop")
        .with_no_exporter()
        .with_sampler(sampler)
        .with_red_metrics(implementation.contains("_red"));
    if implementation.starts_with("performance") {
        pipeline = pipeline.with_performance();
    }
    let guard = pipeline.install_batch().expect("installed once");
    let meters = implementation.ends_with("_meter").then(meters);
    if let (Some(meters), Some(metrics)) = (&meters, guard.red_metrics()) {
        metrics.report_to(&meters.meter("spanmetrics"));
    }
    Installed {
        guard: Some(guard),
        meters,
    }
}

impl Installed {
    /// Everything that waits is dealt with.
    fn settle(&self) {
        if let Some(guard) = &self.guard {
            let _ = guard.force_flush();
            black_box(guard.red_metrics().map(|metrics| metrics.series().len()));
        }
    }
}

/// Prints nanoseconds a span: the caller's, and all threads'.
fn worker(implementation: &str, sampled: bool) {
    const BURST: u64 = 300;
    let installed = install(implementation, sampled);
    let burst = || {
        for i in 0..BURST {
            black_box(FUNCTIONS[(i % 8) as usize](black_box(i)));
        }
    };
    for _ in 0..20 {
        burst();
        installed.settle();
    }
    let mut times = Vec::new();
    let before = process::export_threads_ns();
    let started = Instant::now();
    while times.len() < 100 || started.elapsed() < Duration::from_millis(150) {
        let time = Instant::now();
        burst();
        times.push(time.elapsed().as_nanos() as f64 / BURST as f64);
        installed.settle();
    }
    let ran = process::export_threads_ns() - before;
    let all = ran as f64 / (times.len() as u64 * BURST) as f64;
    println!("{} {all}", quantile(&mut times, 0.1));
    if let Some(meters) = &installed.meters {
        let _ = meters.shutdown();
    }
}

fn ask(implementation: &str, sampled: bool) -> [f64; 2] {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(["--worker", implementation, &sampled.to_string()]);
    if implementation.contains("_scalar") {
        command.env("OTEL_ENHANCE_SIMD", "scalar");
    }
    let output = command.output().expect("it starts");
    let said = String::from_utf8(output.stdout).expect("text");
    let mut figures = said.split_whitespace().map(|figure| figure.parse());
    let mut next = || figures.next().expect("two figures").expect("a figure");
    [next(), next()]
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mark, implementation, sampled, ..] = arguments.as_slice()
        && mark == "--worker"
    {
        worker(implementation, sampled == "true");
        return ExitCode::SUCCESS;
    }
    let at = arguments.iter().position(|argument| argument == "--rounds");
    let rounds = at
        .and_then(|at| arguments.get(at + 1))
        .map_or(9, |rounds| rounds.parse().expect("a number"));
    let mut is_kept = true;
    for sampled in [true, false] {
        let mut figures = vec![[Vec::new(), Vec::new()]; IMPLEMENTATIONS.len()];
        for _ in 0..rounds {
            for ((name, _, is_always), figures) in IMPLEMENTATIONS.iter().zip(&mut figures) {
                if sampled || *is_always {
                    let [caller, all] = ask(name, sampled);
                    figures[0].push(caller);
                    figures[1].push(all);
                }
            }
        }
        let of = |name: &str| {
            let at = IMPLEMENTATIONS
                .iter()
                .position(|(known, ..)| *known == name);
            &figures[at.expect("a known one")]
        };
        let ratio = |name: &str, to: &str, which: usize| {
            let pairs = of(name)[which].iter().zip(&of(to)[which]);
            let mut ratios: Vec<f64> = pairs.map(|(one, other)| one / other).collect();
            let spread = [quantile(&mut ratios, 0.1), quantile(&mut ratios, 0.9)];
            (median(&mut ratios), spread)
        };
        let case = if sampled { "sampled" } else { "not_sampled" };
        for (name, to, is_always) in IMPLEMENTATIONS {
            if !sampled && !is_always {
                continue;
            }
            let to = if of(to)[0].is_empty() { "sdk" } else { to };
            let [caller, all] = of(name).clone().map(|mut figures| median(&mut figures));
            let (by_caller, spread) = ratio(name, to, 0);
            let (by_all, spread_of_all) = ratio(name, to, 1);
            println!(
                "case={case} impl={name} caller_ns={caller:.0} all_ns={all:.0} to={to} \
                 caller_ratio={by_caller:.2} p10={:.2} p90={:.2} all_ratio={by_all:.2} p10={:.2} p90={:.2}",
                spread[0], spread[1], spread_of_all[0], spread_of_all[1],
            );
        }
        if sampled {
            is_kept = ratio("sdk_red", "sdk_official", 0).0 <= 1.0;
        }
    }
    println!("limit {}", if is_kept { "kept" } else { "missed" });
    if arguments.iter().any(|argument| argument == "--strict") && !is_kept {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
