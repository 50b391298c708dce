//! A receiver with every fault in turns, at half of the highest rate: the memory stays within its bound,
//! the account is exact, and shutdown does not hang.
//!
//! `cargo test -p otel-enhance-tests --release --test performance_soak -- --ignored --nocapture` runs it
//! for ten minutes.
#![cfg(target_os = "linux")]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and one that runs for minutes says how"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, Tracer, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_enhance::config::Protocol;
use otel_enhance::export::DeliveryReport;
use otel_enhance::extensions::performance::{
    BatchOptimizedExporter, BatchWatch, ConnectionPoolExporter, DropPolicy, QueueLevel,
};
use otel_enhance::pipeline::Spans;
use otel_enhance::{TelemetryGuard, new_enhanced_pipeline};
use otel_enhance_tests::alone::alone;

/// What the queue may hold.
const QUEUE_BYTES: usize = 16 << 20;
const BATCH_BYTES: usize = 1 << 20;
const IN_FLIGHT: usize = 8;
/// What it may cost beside: each export holds its batch as messages and as bytes, and allocators keep
/// some of what is freed.
const BESIDE: usize = IN_FLIGHT * 3 * BATCH_BYTES + (16 << 20);

/// The other process.
struct Remote {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    addresses: [String; 2],
}

impl Remote {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_soak_receiver"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut remote = Self {
            child,
            commands,
            answers,
            addresses: Default::default(),
        };
        let line = remote.line();
        let (http, grpc) = line.split_once(' ').unwrap();
        remote.addresses = [format!("http://{http}"), format!("http://{grpc}")];
        remote
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn tell(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").unwrap();
        self.line()
    }

    /// Spans that came, and how many came again.
    fn report(&mut self) -> (u64, u64) {
        let line = self.tell("report");
        let (unique, duplicates) = line.split_once(' ').unwrap();
        (unique.parse().unwrap(), duplicates.parse().unwrap())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The resident memory of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn span<T: Tracer>(tracer: &T, number: i64) {
    let mut span = tracer.build(SpanBuilder::from_name("GET /items/{id}"));
    span.set_attribute(KeyValue::new("n", number));
    span.set_attribute(KeyValue::new("http.request.method", "GET"));
    span.set_attribute(KeyValue::new("url.path", format!("/items/{number}")));
    span.set_attribute(KeyValue::new("http.response.status_code", 200));
    span.end();
}

/// What spans go through.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The SDK's spans, an official provider, our queue and exporter in it.
    Processor,
    /// A whole pipeline of `performance`.
    Pipeline,
}

enum Sender {
    Processor(SdkTracerProvider, BatchWatch),
    Pipeline(TelemetryGuard),
}

impl Sender {
    fn start(
        way: Way,
        url: &str,
        protocol: Protocol,
        policy: DropPolicy,
        timeout: Duration,
    ) -> Self {
        let delay = Duration::from_millis(200);
        match way {
            Way::Processor => {
                let exporter = ConnectionPoolExporter::builder()
                    .with_endpoint(url)
                    .with_protocol(protocol)
                    .with_timeout(timeout)
                    .with_error_handler(|_| {})
                    .build()
                    .unwrap();
                let processor = BatchOptimizedExporter::wrap(exporter)
                    .with_max_queue_bytes(QUEUE_BYTES)
                    .with_max_export_batch_bytes(BATCH_BYTES)
                    .with_max_exports_in_flight(IN_FLIGHT)
                    .with_scheduled_delay(delay)
                    .with_drop_policy(policy)
                    .with_error_handler(|_| {})
                    .build()
                    .unwrap();
                let watch = processor.watch();
                let provider = SdkTracerProvider::builder()
                    .with_span_processor(processor)
                    .build();
                Self::Processor(provider, watch)
            }
            Way::Pipeline => {
                let guard = new_enhanced_pipeline()
                    .with_protocol(protocol)
                    .with_endpoint(url)
                    .with_timeout(timeout)
                    .with_max_queue_bytes(QUEUE_BYTES)
                    .with_max_export_batch_bytes(BATCH_BYTES)
                    .with_max_exports_in_flight(IN_FLIGHT)
                    .with_scheduled_delay(delay)
                    .with_drop_policy(policy)
                    .with_error_handler(|_| {})
                    .install_batch()
                    .unwrap();
                assert_eq!(guard.spans(), Spans::Fast);
                Self::Pipeline(guard)
            }
        }
    }

    /// What ends a span of some number.
    fn end(&self) -> Box<dyn Fn(i64) + Send> {
        match self {
            Self::Processor(provider, _) => {
                let tracer = provider.tracer("soak");
                Box::new(move |number| span(&tracer, number))
            }
            Self::Pipeline(guard) => {
                let tracer = guard.tracer("soak");
                Box::new(move |number| span(&tracer, number))
            }
        }
    }

    fn report(&self) -> DeliveryReport {
        match self {
            Self::Processor(_, watch) => watch.report(),
            Self::Pipeline(guard) => guard.delivery(),
        }
    }

    fn queue(&self) -> QueueLevel {
        match self {
            Self::Processor(_, watch) => watch.queue(),
            Self::Pipeline(guard) => guard.queue().unwrap().queue(),
        }
    }

    fn flush(&self) -> OTelSdkResult {
        match self {
            Self::Processor(provider, _) => provider.force_flush(),
            Self::Pipeline(guard) => guard.force_flush(),
        }
    }

    fn shut_down(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Processor(provider, _) => provider.shutdown_with_timeout(timeout),
            Self::Pipeline(guard) => guard.shutdown_with_timeout(timeout),
        }
    }
}

/// Spans a second that arrive where the sender waits for room; and the next number.
fn highest_rate(way: Way, url: &str, protocol: Protocol, first: i64) -> (f64, i64) {
    let deadline = Duration::from_secs(60);
    let sender = Sender::start(way, url, protocol, DropPolicy::Block { deadline }, deadline);
    let end = sender.end();
    let begun = Instant::now();
    let mut number = first;
    while begun.elapsed() < Duration::from_secs(2) {
        end(number);
        number += 1;
    }
    sender.shut_down(deadline).unwrap();
    let report = sender.report();
    assert_eq!(report.dropped_total(), 0, "{report:?}");
    let rate = report.exported as f64 / begun.elapsed().as_secs_f64();
    (rate, number)
}

fn soak(way: Way, protocol: Protocol, whole: Duration) {
    let mut remote = Remote::start();
    let url = match protocol {
        Protocol::Grpc => remote.addresses[1].clone(),
        _ => remote.addresses[0].clone(),
    };
    let (highest, first) = highest_rate(way, &url, protocol, 0);
    let (received_before, _) = remote.report();
    let rate = highest / 2.0;

    let timeout = Duration::from_secs(2);
    let sender = Sender::start(way, &url, protocol, DropPolicy::Newest, timeout);
    let end = sender.end();
    let before = resident();
    let number = AtomicI64::new(first);
    let over = AtomicBool::new(false);
    let halves = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let phases = [
        "up", "slow 100", "down", "up", "garbage", "slow 10", "hang", "up",
    ];
    let rounds = (whole.as_secs() / 40).max(1) as u32;
    let phase_length = whole / (phases.len() as u32 * rounds);
    thread::scope(|scope| {
        let (number, over) = (&number, &over);
        scope.spawn(move || {
            let begun = Instant::now();
            let mut ended = 0_i64;
            while !over.load(Ordering::Relaxed) {
                let due = (begun.elapsed().as_secs_f64() * rate) as i64;
                for _ in ended..due {
                    end(number.fetch_add(1, Ordering::Relaxed));
                }
                ended = due;
                thread::sleep(Duration::from_millis(1));
            }
        });
        scope.spawn(|| {
            let begun = Instant::now();
            while !over.load(Ordering::Relaxed) {
                let half = usize::from(begun.elapsed() > whole / 2);
                halves[half].fetch_max(resident(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        for phase in phases.iter().cycle().take(phases.len() * rounds as usize) {
            assert_eq!(remote.tell(phase), "done");
            thread::sleep(phase_length);
        }
        over.store(true, Ordering::Relaxed);
    });

    let begun = Instant::now();
    let flushed = sender.flush();
    let shut_down = sender.shut_down(Duration::from_secs(10));
    let took = begun.elapsed();
    let report = sender.report();
    let level = sender.queue();
    let (unique, duplicates) = remote.report();
    let received = unique - received_before;
    let [first_half, second_half] = halves.map(AtomicUsize::into_inner);
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    println!(
        "{way:?}, {}: {rate:.0} spans/s of {highest:.0}, {} ended, {} exported, {} dropped, {received} received, \
         {duplicates} twice (at most {}); resident {:.1} MiB before, at most {:.1} and {:.1} in the halves; \
         queue at most {:.1} MiB; end took {took:?} ({flushed:?}, {shut_down:?})",
        protocol.as_str(),
        report.ended,
        report.exported,
        report.dropped_total(),
        report.ambiguous_retries,
        mib(before),
        mib(first_half),
        mib(second_half),
        mib(level.peak_bytes),
    );

    // The sum is exact.
    let ended = (number.into_inner() - first) as u64;
    assert_eq!(report.ended, ended);
    assert_eq!(
        report.exported + report.dropped_total(),
        ended,
        "{report:?}"
    );
    // What is said to be exported has come; what has not come is counted as dropped.
    assert!(received >= report.exported, "{received} of {report:?}");
    assert!(ended - received <= report.dropped_total(), "{report:?}");
    assert!(
        report.exported > 0 && report.dropped_total() > 0,
        "{report:?}"
    );
    assert!(took < Duration::from_secs(16), "{took:?}");
    // The memory is bounded, and flat.
    assert!(level.peak_bytes <= QUEUE_BYTES, "{level:?}");
    let highest = first_half.max(second_half);
    assert!(
        highest <= before + QUEUE_BYTES + BESIDE,
        "{} MiB",
        mib(highest)
    );
    assert!(
        second_half <= first_half + first_half / 10 + (8 << 20),
        "{} MiB, then {} MiB",
        mib(first_half),
        mib(second_half)
    );
}

const SHORT: Duration = Duration::from_secs(20);

#[test]
fn faulty_receiver_for_a_short_time_costs_bounded_memory_and_no_uncounted_span_over_http() {
    alone(
        "faulty_receiver_for_a_short_time_costs_bounded_memory_and_no_uncounted_span_over_http",
        &[],
        || soak(Way::Pipeline, Protocol::HttpProtobuf, SHORT),
    );
}

#[test]
fn faulty_receiver_for_a_short_time_costs_bounded_memory_and_no_uncounted_span_over_grpc() {
    alone(
        "faulty_receiver_for_a_short_time_costs_bounded_memory_and_no_uncounted_span_over_grpc",
        &[],
        || soak(Way::Pipeline, Protocol::Grpc, SHORT),
    );
}

#[test]
fn faulty_receiver_for_a_short_time_costs_bounded_memory_and_no_uncounted_span_of_the_sdk() {
    alone(
        "faulty_receiver_for_a_short_time_costs_bounded_memory_and_no_uncounted_span_of_the_sdk",
        &[],
        || soak(Way::Processor, Protocol::HttpProtobuf, SHORT),
    );
}

#[test]
#[ignore = "takes ten minutes: the long form of the soak"]
fn faulty_receiver_for_ten_minutes_costs_bounded_memory_and_no_uncounted_span() {
    const HALF: Duration = Duration::from_secs(300);
    soak(Way::Pipeline, Protocol::HttpProtobuf, HALF);
    soak(Way::Pipeline, Protocol::Grpc, HALF);
}
