//! What spans cost the whole process, the threads that export them included, and what they cost their
//! caller while those threads run: 50,000 spans a second in bursts, each kind in a process of its own.
//!
//! Both sides end either in an exporter that takes `SpanData` and drops it, or in OTLP over HTTP to a
//! receiver in another process that does not look at it. Two floors stand beside fastrace: `floor` is what the official
//! contexts of such spans take by themselves, without a record, an exporter or a thread at work. `floor-data` is that, and
//! as many `SpanData` of constants, which a second thread writes when it is told of a burst, and drops 2048 at a time:
//! nothing travels from the one thread to the other.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracerProvider, SpanData, SpanEvents, SpanExporter, SpanLinks,
};
use otel_enhance::export::EnhancedHttpClient;
use otel_enhance_receiver::{
    BoxFuture, Hook, Limits, RawReply, RawRequest, Receiver, RequestHead, Verdict,
};

use crate::stats::{median, quantile};
use crate::worker::{Case, State};
use crate::{by_hand, enhanced, fastrace_spans, floor};

/// Between the beginnings of two bursts.
const TICK: Duration = Duration::from_millis(10);
/// 50,000 spans a second.
const SPANS: u64 = 500;
const WARM_UP: u32 = 30;
const BURSTS: u32 = 100;
/// Spans that are exported together, as in the pipeline of the extension at this rate.
const BATCH: usize = 2048;

/// A ratio that is to be shown.
struct Claim {
    name: &'static str,
    case: &'static str,
    ours: &'static str,
    theirs: &'static str,
    /// Of whole-process CPU, and of the caller's time.
    limits: [Option<f64>; 2],
}

const CLAIMS: &[Claim] = &[
    Claim {
        name: "span_data",
        case: "attributes_0",
        ours: "performance",
        theirs: "sdk",
        limits: [Some(0.80), Some(0.60)],
    },
    Claim {
        name: "span_data",
        case: "attributes_3",
        ours: "performance",
        theirs: "sdk",
        limits: [Some(0.80), Some(0.60)],
    },
    Claim {
        name: "otlp",
        case: "attributes_0",
        ours: "performance-otlp",
        theirs: "sdk-otlp",
        limits: [Some(0.40), Some(0.60)],
    },
    Claim {
        name: "otlp",
        case: "attributes_3",
        ours: "performance-otlp",
        theirs: "sdk-otlp",
        limits: [Some(0.40), Some(0.60)],
    },
    Claim {
        name: "span_data",
        case: "nested_10",
        ours: "performance",
        theirs: "fastrace",
        limits: [Some(1.00), Some(1.60)],
    },
    Claim {
        name: "nothing",
        case: "nested_10",
        ours: "floor",
        theirs: "fastrace",
        limits: [None, None],
    },
    Claim {
        name: "constant_span_data",
        case: "nested_10",
        ours: "floor-data",
        theirs: "fastrace",
        limits: [None, None],
    },
];

/// Takes turns between the kinds, and prints a line a claim.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let rounds: usize = value("--rounds").map_or(20, |rounds| rounds.parse().expect("a number"));
    let only = value("--case");
    let mut receiver = Started::receiver();
    let mut missed = 0;
    for claim in CLAIMS {
        if only.is_some_and(|only| only != claim.case) {
            continue;
        }
        let mut each = [const { [const { Vec::new() }; 2] }; 2];
        for round in 0..rounds {
            // A different one begins each round.
            for place in 0..2 {
                let side = (place + round) % 2;
                let kind = [claim.ours, claim.theirs][side];
                let measured = receiver.measure(kind, claim.case);
                for (list, number) in each[side].iter_mut().zip(measured) {
                    list.push(number);
                }
            }
        }
        let [ours, theirs] = &mut each;
        for (index, what) in ["process_cpu", "burst_caller"].into_iter().enumerate() {
            let pairs = ours[index].iter().zip(&theirs[index]);
            let mut ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
            let ratio = median(&mut ratios);
            println!(
                "case={what}/{}/{} impl={} ns={:.0} {}={:.0} ratio={ratio:.3} p10={:.3} p90={:.3}",
                claim.name,
                claim.case,
                claim.ours,
                median(&mut ours[index].clone()),
                claim.theirs,
                median(&mut theirs[index].clone()),
                quantile(&mut ratios, 0.1),
                quantile(&mut ratios, 0.9),
            );
            if let Some(limit) = claim.limits[index].filter(|limit| ratio > *limit) {
                println!(
                    "limit missed: {what}/{}/{}: {ratio:.3}, at most {limit} of {}",
                    claim.name, claim.case, claim.theirs
                );
                missed += 1;
            }
        }
    }
    if missed > 0 && arguments.iter().any(|argument| argument == "--strict") {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A receiver in a process of its own.
struct Started {
    child: Child,
    endpoint: String,
}

impl Started {
    fn receiver() -> Self {
        let mut child = this_program()
            .args(["--whole", "receiver"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a receiver starts");
        let mut endpoint = String::new();
        let stdout = child.stdout.take().expect("is piped");
        BufReader::new(stdout)
            .read_line(&mut endpoint)
            .expect("an endpoint");
        let endpoint = endpoint.trim().to_owned();
        Self { child, endpoint }
    }

    /// Nanoseconds a span: of the process, and of the caller.
    fn measure(&mut self, kind: &str, case: &str) -> [f64; 2] {
        let output = this_program()
            .args(["--whole", kind, case, &self.endpoint])
            .output()
            .expect("a worker starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{kind} {case}: {errors}");
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut next = || numbers.next().expect("two").expect("numbers");
        [next(), next()]
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // The end of its stdin ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().expect("this program"))
}

/// One process: `receiver`, or KIND CASE ENDPOINT.
pub(crate) fn work(arguments: &[String]) {
    if arguments[0] == "receiver" {
        return receive();
    }
    let [kind, case, endpoint] = arguments else {
        panic!("KIND CASE ENDPOINT");
    };
    let (cases, flush) = install(kind, endpoint);
    let case = cases.iter().find(|known| known.name == case);
    let case = case.expect("a known case");
    bursts(case, WARM_UP);
    flush();
    let before = process_cpu();
    let mut callers = bursts(case, BURSTS);
    flush();
    let spent = process_cpu() - before;
    let spans = u64::from(BURSTS) * SPANS;
    println!(
        "{} {}",
        spent.as_nanos() as f64 / spans as f64,
        median(&mut callers)
    );
}

/// Nanoseconds a span, of each burst.
fn bursts(case: &Case, count: u32) -> Vec<f64> {
    let begun = Instant::now();
    (1..=count)
        .map(|number| {
            let burst = Instant::now();
            (case.run)(SPANS / case.spans);
            if let Some(writer) = WRITER.get() {
                writer.unpark();
            }
            let took = burst.elapsed().as_nanos() as f64 / SPANS as f64;
            let next = begun + TICK * number;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            took
        })
        .collect()
}

fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("no process goes backwards")
}

/// The exporter of both sides: it takes spans and drops them.
#[derive(Debug)]
struct Drops;

impl SpanExporter for Drops {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        drop(std::hint::black_box(batch));
        Ok(())
    }
}

/// Of `floor-data`: it is told of each burst.
static WRITER: OnceLock<Thread> = OnceLock::new();

/// Writes the spans of a burst each time it is told of one.
fn write_constants() {
    let mut batch: Vec<SpanData> = Vec::new();
    loop {
        std::thread::park();
        for _ in 0..SPANS {
            batch.push(constant());
            if batch.len() == BATCH {
                drop(std::hint::black_box(std::mem::take(&mut batch)));
            }
            batch.reserve(if batch.is_empty() { BATCH } else { 0 });
        }
    }
}

#[inline(always)]
fn constant() -> SpanData {
    SpanData {
        span_context: SpanContext::NONE,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "nested".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The provider of this process, if it is one of those here.
pub(crate) fn provider() -> Option<SdkTracerProvider> {
    PROVIDER.get().cloned()
}

/// What makes the spans, and what exports those that wait.
fn install(kind: &str, endpoint: &str) -> (&'static [Case], Box<dyn Fn()>) {
    match kind {
        "fastrace" => {
            (fastrace_spans::FASTRACE.install)(State::Recording);
            (fastrace_spans::FASTRACE.cases, Box::new(fastrace::flush))
        }
        "floor" => {
            (floor::FLOOR.install)(State::Recording);
            (floor::FLOOR.cases, Box::new(|| ()))
        }
        "floor-data" => {
            (floor::FLOOR.install)(State::Recording);
            let writer = std::thread::spawn(write_constants);
            let _ = WRITER.set(writer.thread().clone());
            (floor::FLOOR.cases, Box::new(|| ()))
        }
        "sdk" => by_hand_with(BatchSpanProcessor::builder(Drops).build()),
        "sdk-otlp" => {
            let exporter = opentelemetry_otlp::SpanExporter::builder()
                .with_http()
                .with_http_client(EnhancedHttpClient::builder().build().expect("a client"))
                .with_retry_policy(RetryPolicy::disabled())
                .with_endpoint(format!("{endpoint}/v1/traces"))
                .build()
                .expect("an exporter");
            by_hand_with(BatchSpanProcessor::builder(exporter).build())
        }
        _ => {
            let builder = otel_enhance::new_enhanced_pipeline()
                .with_performance()
                .with_exit_handler(false);
            let builder = match kind {
                "performance" => builder.with_exporter(Drops),
                _ => builder.with_endpoint(endpoint),
            };
            let guard = builder.install_batch().expect("installed once");
            let flush = move || guard.force_flush().expect("a flush");
            (enhanced::FAST.cases, Box::new(flush))
        }
    }
}

fn by_hand_with(processor: BatchSpanProcessor) -> (&'static [Case], Box<dyn Fn()>) {
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .build();
    let _ = PROVIDER.set(provider.clone());
    (by_hand::BARE.install)(State::Recording);
    let flush = move || provider.force_flush().expect("a flush");
    (by_hand::BARE.cases, Box::new(flush))
}

/// Reads each request to its end.
struct Swallow;

impl Hook for Swallow {
    fn inspect<'a>(&'a self, _: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async { Verdict::Take })
    }

    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        Box::pin(async move {
            drop(request.body);
            RawReply::Message(Bytes::new())
        })
    }
}

/// Prints where it listens; the end of stdin ends it.
fn receive() {
    let mut limits = Limits::default();
    limits.max_memory_bytes = 1 << 30;
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_limits(limits)
        .with_hook(Swallow)
        .start_blocking()
        .expect("a receiver");
    println!("{}", receiver.http_endpoint().expect("HTTP"));
    let mut rest = Vec::new();
    let _ = std::io::stdin().lock().read_to_end(&mut rest);
}
