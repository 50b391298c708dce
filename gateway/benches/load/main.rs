//! What a gateway costs: spans a second and core, CPU a span and resident memory, of plain pass-through, of
//! both ends of tracezip, and of the OpenTelemetry Collector, all in one run.
//!
//! ```sh
//! cargo bench -p otel-enhance-gateway --bench load -- --corpora DIR --collector PATH --rounds 5
//! ```
//!
//! `--corpora DIR` takes the requests of `DIR/*/*.pbld.zst`, corpus by corpus; without it they are made up.
//! `--collector PATH` adds a Collector that has the OTLP receiver and exporter. `--streams N` measures the memory
//! of N tenants' streams instead. Gateways and Collector are processes of their own, whose CPU time is read from
//! `/proc`; requests are sent by 8 connections without a pause. The destination is in this process.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for people, which ends where it cannot go on"
)]

mod corpus;
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use corpus::Corpus;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use otel_enhance_receiver::{Limits, Outcome, Receiver, Request};
use process::Process;

const CONNECTIONS: usize = 8;

struct Options {
    corpora: Option<String>,
    collector: Option<String>,
    rounds: usize,
    seconds: f64,
    streams: Option<usize>,
}

fn options() -> Options {
    let mut options = Options {
        corpora: None,
        collector: None,
        rounds: 3,
        seconds: 2.0,
        streams: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--corpora" => options.corpora = Some(value()),
            "--collector" => options.collector = Some(value()),
            "--rounds" => options.rounds = value().parse().unwrap(),
            "--seconds" => options.seconds = value().parse().unwrap(),
            "--streams" => options.streams = Some(value().parse().unwrap()),
            // cargo's own.
            _ => {}
        }
    }
    options
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let options = options();
    let spans = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&spans);
    let sink = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_grpc("127.0.0.1:0")
        .with_limits(Limits::default())
        .with_undecoded_messages()
        .with_handler(move |request: Request| {
            counted.fetch_add(request.span_count() as u64, Ordering::Relaxed);
            std::future::ready(Outcome::Accepted)
        })
        .start()
        .await
        .unwrap();
    let sink = sink.grpc_endpoint().unwrap();
    if let Some(streams) = options.streams {
        return memory(&sink, streams).await;
    }
    for corpus in corpus::all(options.corpora.as_deref()) {
        report(&options, &corpus, &sink).await;
    }
}

/// A process, or two in a row, and what was measured of each.
struct Line {
    name: &'static str,
    to: String,
    processes: Vec<(&'static str, Process)>,
    cpu: Vec<Vec<f64>>,
    rates: Vec<f64>,
}

impl Line {
    fn new(name: &'static str, to: String, processes: Vec<(&'static str, Process)>) -> Self {
        let cpu = processes.iter().map(|_| Vec::new()).collect();
        Self {
            name,
            to,
            processes,
            cpu,
            rates: Vec::new(),
        }
    }
}

async fn lines(options: &Options, sink: &str) -> Vec<Line> {
    let grpc = sink.replace("http", "grpc");
    let mut lines = Vec::new();
    for (name, compression) in [
        ("pass-through", "none"),
        ("pass-through, gzip", "gzip"),
        ("pass-through, zstd", "zstd"),
    ] {
        let output = format!("- otlp: {{ endpoint: '{grpc}', compression: {compression} }}");
        let (to, process) = Process::gateway("", &output).await;
        lines.push(Line::new(name, to, vec![("", process)]));
    }
    let (far_at, far) = Process::gateway(
        "",
        &format!("- otlp: {{ endpoint: '{grpc}', compression: none }}"),
    )
    .await;
    let (to, near) = Process::gateway("", &format!("- tracezip: {{ endpoint: '{far_at}' }}")).await;
    let both = vec![("compressing", near), ("restoring", far)];
    lines.push(Line::new("tracezip", to, both));
    if let Some(path) = &options.collector {
        for (name, compression) in [
            ("Collector", "none"),
            ("Collector, gzip", "gzip"),
            ("Collector, zstd", "zstd"),
        ] {
            let (to, process) = Process::collector(path, sink, compression).await;
            lines.push(Line::new(name, to, vec![("", process)]));
        }
    }
    lines
}

async fn report(options: &Options, corpus: &Corpus, sink: &str) {
    let mut lines = lines(options, sink).await;
    for _ in 0..options.rounds {
        for line in &mut lines {
            let before: Vec<f64> = line
                .processes
                .iter()
                .map(|(_, p)| p.cpu_seconds())
                .collect();
            let (spans, seconds) = load(&line.to, corpus, options.seconds).await;
            line.rates.push(spans as f64 / seconds);
            for (at, (_, process)) in line.processes.iter().enumerate() {
                let used = process.cpu_seconds() - before[at];
                line.cpu[at].push(used * 1e9 / spans as f64);
            }
        }
    }
    println!(
        "{}: {} spans, {} requests, {} bytes a span",
        corpus.name,
        corpus.spans(),
        corpus.requests.len(),
        corpus.bytes() / corpus.spans()
    );
    println!(
        "  what | CPU ns a span, median (lowest) | spans a second and core | spans/s here | peak MiB"
    );
    for line in &mut lines {
        for (at, (part, process)) in line.processes.iter().enumerate() {
            let cpu = &mut line.cpu[at];
            cpu.sort_by(f64::total_cmp);
            let (median, lowest) = (cpu[cpu.len() / 2], cpu[0]);
            let rate = line.rates.iter().copied().fold(0.0, f64::max);
            println!(
                "  {} {part} | {median:.0} ({lowest:.0}) | {:.0} | {rate:.0} | {:.1}",
                line.name,
                1e9 / median,
                process.peak_mib()
            );
        }
    }
    for line in &lines {
        if let Some((_, near)) = line
            .processes
            .iter()
            .find(|(part, _)| *part == "compressing")
        {
            let bytes = near.metric("tracezip_frame_bytes_total").await;
            let spans = near.metric("output_spans_total").await;
            println!(
                "  tracezip: {:.2} bytes a span on the wire",
                bytes as f64 / spans as f64
            );
        }
    }
}

/// Posts the corpus over and over; the spans that were taken, and the seconds.
async fn load(to: &str, corpus: &Corpus, seconds: f64) -> (u64, f64) {
    let start = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let deadline = start + Duration::from_secs_f64(seconds);
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (to, next) = (to.to_owned(), Arc::clone(&next));
            let requests = Arc::clone(&corpus.requests);
            tokio::spawn(async move {
                let client: Client<_, Full<Bytes>> =
                    Client::builder(TokioExecutor::new()).build_http();
                let mut taken = 0;
                while Instant::now() < deadline {
                    let at = next.fetch_add(1, Ordering::Relaxed) % requests.len();
                    let (body, spans) = &requests[at];
                    post(&client, &to, "", body).await;
                    taken += spans;
                }
                taken
            })
        })
        .collect();
    let mut taken = 0;
    for sender in senders {
        taken += sender.await.unwrap();
    }
    (taken, start.elapsed().as_secs_f64())
}

async fn post(
    client: &Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    to: &str,
    tenant: &str,
    body: &Bytes,
) {
    let request = http::Request::post(format!("{to}/v1/traces"))
        .header("content-type", "application/x-protobuf")
        .header("x-tenant", tenant)
        .body(Full::new(body.clone()))
        .unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
}

/// The memory of many tenants' streams at both ends.
async fn memory(sink: &str, streams: usize) {
    let grpc = sink.replace("http", "grpc");
    let (far_at, far) = Process::gateway(
        "",
        &format!("- otlp: {{ endpoint: '{grpc}', compression: none }}"),
    )
    .await;
    let output = format!("- tracezip: {{ endpoint: '{far_at}', max_streams: {streams} }}");
    let (to, near) = Process::gateway("tenant_header: X-Tenant", &output).await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let corpus = corpus::made_up();
    for round in 0..6 {
        for stream in 0..streams {
            let (body, _) = &corpus.requests[(stream + round * 7) % corpus.requests.len()];
            post(&client, &to, &format!("tenant-{stream}"), body).await;
        }
        println!(
            "round {round}: {streams} streams; compressing {:.1} MiB (state {:.1}), restoring {:.1} MiB (state {:.1}, {} streams)",
            near.resident_mib(),
            near.metric("tracezip_state_bytes").await as f64 / 1048576.0,
            far.resident_mib(),
            far.metric("tracezip_received_state_bytes").await as f64 / 1048576.0,
            far.metric("tracezip_received_streams").await,
        );
    }
}
