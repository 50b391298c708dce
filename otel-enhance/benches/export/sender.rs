//! One measurement: spans at a rate, through one kind of processor and exporter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
    Tracer as _,
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
use otel_enhance::wrappers::EnhancedTracer;
use otel_enhance::{TelemetryGuard, new_enhanced_pipeline};

use crate::process;

const NAME: &str = "GET /api/items/{id}";

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

fn attributes(number: u64) -> Vec<KeyValue> {
    vec![
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("url.scheme", "https"),
        KeyValue::new("url.path", format!("/api/items/{number}")),
        KeyValue::new("http.route", "/api/items/{id}"),
        KeyValue::new("http.response.status_code", 200),
        KeyValue::new("server.address", "shop.example.com"),
        KeyValue::new("server.port", 443),
        KeyValue::new("enduser.id", format!("user-{}", number % 1000)),
    ]
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
        name: NAME.into(),
        start_time: now,
        end_time: now,
        attributes: attributes(number),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("bench").build(),
    }
}

/// What spans go through.
enum Path {
    /// Ended spans, as a provider hands them over.
    Processor(Box<dyn SpanProcessor>, Box<dyn Fn() -> u64>),
    /// Spans from their start on.
    Pipeline(Box<TelemetryGuard>, Box<EnhancedTracer>),
}

/// What the thread that makes spans needs.
enum End<'a> {
    Processor(&'a dyn SpanProcessor),
    Pipeline(&'a EnhancedTracer),
}

impl End<'_> {
    fn end(&self, number: u64) {
        match self {
            Self::Processor(processor) => processor.on_end(span(number)),
            Self::Pipeline(tracer) => {
                let builder = SpanBuilder::from_name(NAME)
                    .with_kind(SpanKind::Server)
                    .with_attributes(attributes(number));
                tracer.build(builder).end();
            }
        }
    }
}

impl Path {
    fn new(kind: &str, http: &str, grpc: &str) -> Self {
        if !kind.starts_with("spans") {
            let (mut processor, delivered) = processor(kind, http, grpc);
            processor.set_resource(&Resource::builder_empty().with_service_name("bench").build());
            return Self::Processor(processor, delivered);
        }
        let (protocol, url) = match kind {
            "spans-http" => (Protocol::HttpProtobuf, http),
            _ => (Protocol::Grpc, grpc),
        };
        let guard = new_enhanced_pipeline()
            .with_resource(Resource::builder_empty().with_service_name("bench").build())
            .with_protocol(protocol)
            .with_endpoint(url)
            .with_performance()
            .install_batch()
            .expect("a pipeline");
        let tracer = guard.tracer("bench");
        Self::Pipeline(Box::new(guard), Box::new(tracer))
    }

    fn ends(&self) -> End<'_> {
        match self {
            Self::Processor(processor, _) => End::Processor(&**processor),
            Self::Pipeline(_, tracer) => End::Pipeline(tracer),
        }
    }

    fn flush(&self) -> OTelSdkResult {
        match self {
            Self::Processor(processor, _) => processor.force_flush(),
            Self::Pipeline(guard, _) => guard.force_flush(),
        }
    }

    fn delivered(&self) -> u64 {
        match self {
            Self::Processor(_, delivered) => delivered(),
            Self::Pipeline(guard, _) => guard.delivery().exported,
        }
    }
}

type Processor = Box<dyn SpanProcessor>;

/// The processor of one kind, and the count of what it has delivered.
fn processor(kind: &str, http: &str, grpc: &str) -> (Processor, Box<dyn Fn() -> u64>) {
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

/// `KIND HTTP GRPC RATE SECONDS`; prints the spans that ended, those delivered, the nanoseconds of the
/// export threads, the bytes resident at most, and the nanoseconds that the spans took to end.
pub(crate) fn run(arguments: &[String]) {
    process::pin(false);
    let [kind, http, grpc, rate, seconds] = arguments else {
        panic!("KIND HTTP GRPC RATE SECONDS");
    };
    let rate: f64 = rate.parse().expect("a rate");
    let length = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let path = Path::new(kind, http, grpc);

    // Connections are opened, and buffers have grown.
    let ends = path.ends();
    for number in 0..1000 {
        ends.end(number);
    }
    path.flush().expect("a first flush");
    let before = (path.delivered(), process::export_threads_ns());
    let producer = std::thread::Builder::new().name("producer".to_owned());
    let (ended, took) = std::thread::scope(|scope| {
        let ends = path.ends();
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
    while path.flush().is_err() && begun.elapsed() < Duration::from_secs(20) {}
    let spent = process::export_threads_ns() - before.1;
    let delivered = path.delivered() - before.0;
    println!(
        "{ended} {delivered} {spent} {} {}",
        process::peak_resident(),
        took.as_nanos()
    );
}
