//! The queue of `performance` on real sockets: what arrives, what is dropped, and that the sum is exact.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use otel_enhance::export::{DeliveryReport, DropReason, EnhancedHttpClient};
use otel_enhance::extensions::performance::{BatchOptimizedExporter, BatchWatch, DropPolicy};
use otel_enhance_receiver::{Faults, Receiver, Store};
use otel_enhance_tests::gate::Gate;
use otel_enhance_tests::loopback::Loopback;

/// Longer than anything on loopback takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

/// The official HTTP exporter on our client, behind our queue.
fn over_http(url: &str) -> BatchOptimizedExporter {
    let url = format!("{url}/v1/traces");
    BatchOptimizedExporter::wrap_fn(move || {
        SpanExporter::builder()
            .with_http()
            .with_http_client(EnhancedHttpClient::builder().build().unwrap())
            .with_retry_policy(opentelemetry_otlp::RetryPolicy::disabled())
            .with_endpoint(url)
            .build()
            .unwrap()
    })
    .with_error_handler(|_| {})
}

/// The official gRPC exporter, which wants a runtime where it is built.
fn over_grpc(url: &str) -> BatchOptimizedExporter {
    let url = url.to_owned();
    BatchOptimizedExporter::wrap_fn(move || {
        SpanExporter::builder()
            .with_tonic()
            .with_endpoint(url)
            .build()
            .unwrap()
    })
    .with_error_handler(|_| {})
}

/// A plain official provider around the processor.
fn provider(exporter: BatchOptimizedExporter) -> (SdkTracerProvider, BatchWatch) {
    let processor = exporter.build().unwrap();
    let watch = processor.watch();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .build();
    (provider, watch)
}

/// Ends spans named by their numbers.
fn load(provider: &SdkTracerProvider, numbers: std::ops::Range<usize>) {
    let tracer = provider.tracer("load");
    for number in numbers {
        tracer
            .build(SpanBuilder::from_name(number.to_string()))
            .end();
    }
}

fn exact(report: &DeliveryReport, ended: u64) {
    assert_eq!(report.ended, ended, "{report:?}");
    let counted = report.exported + report.dropped_total();
    assert_eq!(counted, ended, "{report:?}");
}

/// Waits until `reached`.
fn until(what: &str, reached: impl Fn() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < LONG, "{what} did not come about");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn slow_receiver_gets_several_requests_at_once_and_every_span() {
    for protocol in ["http", "grpc"] {
        let gate = Gate::open_with_latency(Duration::from_millis(100));
        let loopback = Loopback::with_hook(gate.clone());
        let exporter = match protocol {
            "http" => over_http(loopback.http()),
            _ => over_grpc(loopback.grpc()),
        };
        let (provider, watch) = provider(exporter.with_max_export_batch_size(10));
        load(&provider, 0..400);
        provider.shutdown().unwrap();
        exact(&watch.report(), 400);
        assert_eq!(loopback.store().span_count(), 400, "{protocol}");
        let most = gate.most_at_once();
        assert!((5..=8).contains(&most), "{protocol}: {most} at once");
    }
}

#[test]
fn ordered_exports_go_one_after_the_other_in_the_order_of_the_spans() {
    let gate = Gate::open_with_latency(Duration::from_millis(5));
    let loopback = Loopback::with_hook(gate.clone());
    let (provider, watch) = provider(
        over_http(loopback.http())
            .with_max_export_batch_size(10)
            .with_ordered_exports(true),
    );
    load(&provider, 0..200);
    provider.shutdown().unwrap();
    exact(&watch.report(), 200);
    assert_eq!(gate.most_at_once(), 1);
    let names: Vec<usize> = loopback
        .store()
        .spans()
        .iter()
        .map(|stored| stored.span.name.parse().unwrap())
        .collect();
    assert_eq!(names, (0..200).collect::<Vec<_>>());
}

#[test]
fn few_spans_are_exported_after_the_delay_without_a_flush() {
    let loopback = Loopback::start();
    let (provider, _watch) =
        provider(over_http(loopback.http()).with_scheduled_delay(Duration::from_millis(50)));
    load(&provider, 0..3);
    loopback.wait(3);
}

#[test]
fn export_that_hangs_holds_up_no_later_one_and_ends_at_its_timeout() {
    // The first request is never answered; the others are.
    let faults = Faults::new().with_hang().with_first_requests(1);
    let loopback = Loopback::with_hook(faults.clone());
    let (provider, watch) = provider(
        over_http(loopback.http())
            .with_max_export_batch_size(10)
            .with_export_timeout(Duration::from_secs(3)),
    );
    load(&provider, 0..10);
    until("the first request", || faults.seen() == 1);
    load(&provider, 10..100);
    // One export hangs, the others do not wait for it.
    until("the later ones", || watch.report().exported >= 90);
    provider.force_flush().unwrap();
    let report = watch.report();
    exact(&report, 100);
    let hung = report.dropped(DropReason::Timeout);
    assert!((1..=10).contains(&hung), "{report:?}");
    provider.shutdown().unwrap();
}

#[test]
fn shutdown_while_every_export_hangs_keeps_its_deadline_and_counts_what_is_left() {
    for protocol in ["http", "grpc"] {
        let faults = Faults::new().with_hang();
        let loopback = Loopback::with_hook(faults.clone());
        let exporter = match protocol {
            "http" => over_http(loopback.http()),
            _ => over_grpc(loopback.grpc()),
        };
        let (provider, watch) = provider(exporter.with_max_export_batch_size(10));
        load(&provider, 0..500);
        until("eight requests", || faults.seen() == 8);
        let begun = Instant::now();
        let timeout = Duration::from_millis(300);
        let error = provider.shutdown_with_timeout(timeout).unwrap_err();
        let took = begun.elapsed();
        // Long before the export timeout of 30 s would have ended them.
        assert!(took >= timeout && took < Duration::from_secs(5), "{took:?}");
        assert!(error.to_string().contains("300ms"), "{error}");
        let report = watch.report();
        exact(&report, 500);
        assert_eq!(report.dropped(DropReason::ShutdownDeadline), 500);
        assert_eq!(loopback.store().span_count(), 0);
    }
}

#[test]
fn spans_ended_after_shutdown_are_counted_as_such() {
    let loopback = Loopback::start();
    let (provider, watch) = provider(over_http(loopback.http()));
    let mut late = provider.tracer("load").start("late");
    load(&provider, 0..5);
    provider.shutdown().unwrap();
    late.end();
    let report = watch.report();
    exact(&report, 6);
    assert_eq!(report.dropped(DropReason::AfterShutdown), 1, "{report:?}");
    assert_eq!(loopback.store().span_count(), 5);
}

#[test]
fn receiver_that_is_stopped_and_started_again_gets_every_span() {
    for protocol in ["http", "grpc"] {
        let store = Store::new();
        let start = |address: &str| {
            let builder = Receiver::builder().with_handler(store.clone());
            let builder = match protocol {
                "http" => builder.with_http(address),
                _ => builder.with_grpc(address),
            };
            builder.start_blocking().unwrap()
        };
        let first = start("127.0.0.1:0");
        let address = match protocol {
            "http" => first.http_addr().unwrap(),
            _ => first.grpc_addr().unwrap(),
        }
        .to_string();
        let url = format!("http://{address}");
        let exporter = match protocol {
            "http" => over_http(&url),
            _ => over_grpc(&url),
        };
        let (provider, watch) = provider(exporter.with_max_export_batch_size(50));
        load(&provider, 0..100);
        provider.force_flush().unwrap();
        first.shutdown(Duration::from_secs(5)).unwrap();
        load(&provider, 100..200);
        thread::sleep(Duration::from_millis(300));
        let second = start(&address);
        load(&provider, 200..300);
        provider.shutdown_with_timeout(LONG).unwrap();
        let report = watch.report();
        exact(&report, 300);
        if protocol == "http" {
            // Our client tries again; the official gRPC exporter does not.
            assert_eq!(report.exported, 300, "{report:?}");
        }
        assert_eq!(store.span_count() as u64, report.exported, "{report:?}");
        second.shutdown(Duration::from_secs(5)).unwrap();
    }
}

#[test]
fn receiver_that_answers_garbage_leaves_the_account_exact() {
    for protocol in ["http", "grpc"] {
        let loopback = Loopback::with_hook(Faults::new().with_garbage());
        let exporter = match protocol {
            "http" => over_http(loopback.http()),
            _ => over_grpc(loopback.grpc()),
        };
        let (provider, watch) = provider(exporter.with_max_export_batch_size(10));
        load(&provider, 0..100);
        provider.shutdown_with_timeout(LONG).unwrap();
        exact(&watch.report(), 100);
    }
}

#[test]
fn hanging_receiver_never_makes_the_queue_hold_more_bytes_than_its_bound() {
    const BOUND: usize = 1 << 20;
    for policy in [DropPolicy::Newest, DropPolicy::Oldest] {
        let loopback = Loopback::with_hook(Faults::new().with_hang());
        let (provider, watch) = provider(
            over_http(loopback.http())
                .with_max_queue_bytes(BOUND)
                .with_drop_policy(policy),
        );
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let tracer = provider.tracer("load");
                    for number in 0..1000 {
                        let heavy = KeyValue::new("payload", "x".repeat(number % 7000));
                        let mut span = tracer.start("heavy");
                        span.set_attribute(heavy);
                        span.end();
                    }
                });
            }
        });
        let level = watch.queue();
        assert!(level.peak_bytes <= BOUND, "{level:?}");
        assert!(level.peak_bytes > BOUND / 2, "{level:?}");
        let timeout = Duration::from_millis(200);
        provider.shutdown_with_timeout(timeout).unwrap_err();
        let report = watch.report();
        exact(&report, 4000);
        let (full, memory) = (DropReason::QueueFull, DropReason::QueueMemory);
        assert!(
            report.dropped(full) + report.dropped(memory) > 1000,
            "{report:?}"
        );
    }
}

/// Which spans a receiver gets that takes nothing until 30 have ended, with room for 10 in the queue and
/// the first 10 in flight.
fn survivors(policy: DropPolicy) -> (Vec<usize>, DeliveryReport) {
    let gate = Gate::shut();
    let loopback = Loopback::with_hook(gate.clone());
    let (provider, watch) = provider(
        over_http(loopback.http())
            .with_max_queue_size(10)
            .with_max_export_batch_size(10)
            .with_max_exports_in_flight(1)
            .with_drop_policy(policy),
    );
    load(&provider, 0..10);
    until("the first request", || gate.inside() == 1);
    // What a quarter of a batch leaves behind goes with the next.
    load(&provider, 10..30);
    gate.open();
    provider.shutdown_with_timeout(LONG).unwrap();
    let mut names: Vec<usize> = loopback
        .store()
        .spans()
        .iter()
        .map(|stored| stored.span.name.parse().unwrap())
        .collect();
    names.sort_unstable();
    (names, watch.report())
}

#[test]
fn full_queue_drops_the_newest_or_the_oldest_as_it_was_told() {
    let (names, report) = survivors(DropPolicy::Newest);
    exact(&report, 30);
    assert_eq!(
        report.dropped(DropReason::QueueFull),
        30 - names.len() as u64
    );
    assert_eq!(names, (0..names.len()).collect::<Vec<_>>());

    let (names, report) = survivors(DropPolicy::Oldest);
    exact(&report, 30);
    assert_eq!(
        report.dropped(DropReason::QueueFull),
        30 - names.len() as u64
    );
    assert!(names.ends_with(&(20..30).collect::<Vec<_>>()), "{names:?}");
}

#[test]
fn blocked_thread_loses_nothing_where_the_receiver_is_slow_and_gives_up_where_it_hangs() {
    let gate = Gate::open_with_latency(Duration::from_millis(20));
    let loopback = Loopback::with_hook(gate);
    let block = |exporter: BatchOptimizedExporter, deadline| {
        exporter
            .with_max_queue_size(10)
            .with_max_export_batch_size(10)
            .with_max_exports_in_flight(1)
            .with_drop_policy(DropPolicy::Block { deadline })
    };
    let (slow, watch) = provider(block(over_http(loopback.http()), LONG));
    load(&slow, 0..200);
    slow.shutdown().unwrap();
    exact(&watch.report(), 200);
    assert_eq!(loopback.store().span_count(), 200);

    let loopback = Loopback::with_hook(Faults::new().with_hang());
    let deadline = Duration::from_millis(20);
    let (hanging, watch) = provider(block(over_http(loopback.http()), deadline));
    load(&hanging, 0..40);
    let dropped = watch.report().dropped(DropReason::QueueFull);
    assert!(dropped >= 20, "{dropped}");
    hanging
        .shutdown_with_timeout(Duration::from_millis(100))
        .unwrap_err();
    exact(&watch.report(), 40);
}

/// Panics at every second batch, at once and when polled in turn.
#[derive(Debug, Default)]
struct Panicking(std::sync::atomic::AtomicUsize);

impl opentelemetry_sdk::trace::SpanExporter for Panicking {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        let call = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        assert!(call.is_multiple_of(2), "on purpose");
        if call % 4 == 2 {
            return Err(OTelSdkError::InternalFailure("on purpose".to_owned()));
        }
        Ok(())
    }
}

#[test]
fn exporter_that_panics_and_fails_costs_its_batches_and_nothing_else() {
    let (provider, watch) = provider(
        BatchOptimizedExporter::wrap(Panicking::default())
            .with_max_export_batch_size(10)
            .with_ordered_exports(true)
            .with_error_handler(|_| {}),
    );
    for batch in 0..20 {
        load(&provider, batch * 10..batch * 10 + 10);
        provider.force_flush().unwrap();
    }
    provider.shutdown().unwrap();
    let report = watch.report();
    exact(&report, 200);
    assert!(
        report.dropped(DropReason::ExporterFailed) >= 100,
        "{report:?}"
    );
    assert!(report.exported > 0, "{report:?}");
}

/// Spans reach the exporter with the resource of the provider that they belong to.
#[test]
fn resource_of_the_provider_arrives() {
    let loopback = Loopback::start();
    let processor = over_http(loopback.http()).build().unwrap();
    let provider = SdkTracerProvider::builder()
        .with_resource(
            opentelemetry_sdk::Resource::builder_empty()
                .with_service_name("theirs")
                .build(),
        )
        .with_span_processor(processor)
        .build();
    load(&provider, 0..1);
    provider.shutdown().unwrap();
    let spans = loopback.wait(1);
    let attributes = &spans[0].resource.attributes;
    assert!(
        attributes.iter().any(|attribute| {
            attribute.key == "service.name" && format!("{:?}", attribute.value).contains("theirs")
        }),
        "{attributes:?}"
    );
}
