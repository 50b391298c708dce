//! One measurement: spans at a rate, through one kind of processor and exporter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks,
    SpanProcessor,
};
use otel_enhance::config::Protocol;
use otel_enhance::export::EnhancedHttpClient;
use otel_enhance::extensions::performance::{BatchOptimizedExporter, ConnectionPoolExporter};

use crate::process;
use crate::records::Records;

/// Counts what the exporter behind it has delivered.
#[derive(Debug)]
struct Counting<E> {
    inner: E,
    delivered: Arc<AtomicU64>,
}

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.inner.export(batch).await;
        if result.is_ok() {
            self.delivered.fetch_add(spans, Ordering::Relaxed);
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn span(number: u64) -> SpanData {
    let now = SystemTime::now();
    SpanData {
        span_context: SpanContext::new(
            TraceId::from(u128::from(number / 16) + (7 << 64)),
            SpanId::from(number + 1),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: SpanId::from(number / 16 + 1),
        parent_span_is_remote: false,
        span_kind: SpanKind::Server,
        name: "GET /api/items/{id}".into(),
        start_time: now,
        end_time: now,
        attributes: vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("url.scheme", "https"),
            KeyValue::new("url.path", format!("/api/items/{number}")),
            KeyValue::new("http.route", "/api/items/{id}"),
            KeyValue::new("http.response.status_code", 200),
            KeyValue::new("server.address", "shop.example.com"),
            KeyValue::new("server.port", 443),
            KeyValue::new("enduser.id", format!("user-{}", number % 1000)),
        ],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("bench").build(),
    }
}

type Processor = Box<dyn SpanProcessor>;

/// The processor of one kind, and the count of what it has delivered.
fn processor(kind: &str, http: &str, grpc: &str) -> (Processor, Box<dyn Fn() -> u64 + Sync>) {
    let delivered = Arc::new(AtomicU64::new(0));
    let official = |tuned: bool, runtime: &tokio::runtime::Runtime| -> Processor {
        let config = if tuned {
            BatchConfigBuilder::default()
                .with_max_queue_size(65_536)
                .with_max_export_batch_size(8192)
                .build()
        } else {
            BatchConfigBuilder::default().build()
        };
        let _entered = runtime.handle().enter();
        let inner = if kind.ends_with("http") {
            opentelemetry_otlp::SpanExporter::builder()
                .with_http()
                .with_http_client(EnhancedHttpClient::builder().build().expect("a client"))
                .with_retry_policy(RetryPolicy::disabled())
                .with_endpoint(format!("{http}/v1/traces"))
                .build()
        } else {
            opentelemetry_otlp::SpanExporter::builder()
                .with_tonic()
                .with_endpoint(grpc)
                .build()
        };
        let exporter = Counting {
            inner: inner.expect("an exporter"),
            delivered: Arc::clone(&delivered),
        };
        Box::new(
            BatchSpanProcessor::builder(exporter)
                .with_batch_config(config)
                .build(),
        )
    };
    if kind.starts_with("official") {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let processor = official(kind.starts_with("official*"), &runtime);
        let count = move || {
            let _lives_as_long = &runtime;
            delivered.load(Ordering::Relaxed)
        };
        return (processor, Box::new(count));
    }
    let (protocol, url) = match kind {
        "ours-http" => (Protocol::HttpProtobuf, http),
        _ => (Protocol::Grpc, grpc),
    };
    let pool = ConnectionPoolExporter::builder()
        .with_protocol(protocol)
        .with_endpoint(url)
        .build()
        .expect("an exporter");
    let processor = BatchOptimizedExporter::wrap(pool)
        .build()
        .expect("a processor");
    let watch = processor.watch();
    (
        Box::new(processor),
        Box::new(move || watch.report().exported),
    )
}

/// What ends spans, of either sort.
enum Ends {
    Processor(Processor, Box<dyn Fn() -> u64 + Sync>),
    Records(Records),
}

impl Ends {
    fn new(kind: &str, http: &str, grpc: &str) -> Self {
        if kind.starts_with("records") {
            return Self::Records(Records::new(kind, http, grpc));
        }
        let (mut processor, delivered) = processor(kind, http, grpc);
        processor.set_resource(&Resource::builder_empty().with_service_name("bench").build());
        Self::Processor(processor, delivered)
    }

    fn end(&self, number: u64) {
        match self {
            Self::Processor(processor, _) => processor.on_end(span(number)),
            Self::Records(records) => records.span(number),
        }
    }

    fn flush(&self) -> bool {
        match self {
            Self::Processor(processor, _) => processor.force_flush().is_ok(),
            Self::Records(records) => records.flush(),
        }
    }

    fn delivered(&self) -> u64 {
        match self {
            Self::Processor(_, delivered) => delivered(),
            Self::Records(records) => records.delivered(),
        }
    }
}

/// `KIND HTTP GRPC RATE SECONDS`; prints the spans that ended, those delivered, the nanoseconds of the
/// export threads, the bytes resident at most, and the nanoseconds that the spans took to end.
pub(crate) fn run(arguments: &[String]) {
    process::pin(false);
    let [kind, http, grpc, rate, seconds] = arguments else {
        panic!("KIND HTTP GRPC RATE SECONDS");
    };
    let rate: f64 = rate.parse().expect("a rate");
    let length = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let ends = Ends::new(kind, http, grpc);

    // Connections are opened, and buffers have grown.
    for number in 0..1000 {
        ends.end(number);
    }
    assert!(ends.flush(), "a first flush");
    let before = (ends.delivered(), process::export_threads_ns());
    let producer = std::thread::Builder::new().name("producer".to_owned());
    let (ended, took) = std::thread::scope(|scope| {
        let ends = &ends;
        let produce = move || {
            let begun = Instant::now();
            let mut ended = 0;
            while begun.elapsed() < length {
                let due = (begun.elapsed().as_secs_f64() * rate) as u64;
                // No more at once than a burst of 2 ms: a thread that was held up must not make up for it.
                let burst = (rate / 500.0) as u64 + 1;
                for number in ended..due.min(ended + burst) {
                    ends.end(number);
                }
                ended = due.min(ended + burst);
                std::thread::sleep(Duration::from_micros(500));
            }
            (ended, begun.elapsed())
        };
        let producer = producer.spawn_scoped(scope, produce).expect("a thread");
        producer.join().expect("the producer")
    });
    // What is queued is exported, however long the official flush is willing to wait.
    let begun = Instant::now();
    while !ends.flush() && begun.elapsed() < Duration::from_secs(20) {}
    let spent = process::export_threads_ns() - before.1;
    let delivered = ends.delivered() - before.0;
    println!(
        "{ended} {delivered} {spent} {} {}",
        process::peak_resident(),
        took.as_nanos()
    );
}
