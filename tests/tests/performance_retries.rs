//! When `ConnectionPoolExporter` sends again, and how often all of a process together.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::thread;
use std::time::{Duration, Instant};

use http::StatusCode;
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_enhance::config::Protocol;
use otel_enhance::extensions::performance::{
    BatchOptimizedExporter, BatchWatch, ConnectionPoolExporter,
};
use otel_enhance_receiver::Faults;
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::load::load;
use otel_enhance_tests::loopback::Loopback;

/// Longer than anything on loopback takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

const PROTOCOLS: [Protocol; 3] = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];

/// A pipeline to `urls` that sends each span by itself, and 64 at once.
fn provider(
    protocol: Protocol,
    urls: &[&str],
    timeout: Duration,
) -> (SdkTracerProvider, BatchWatch) {
    let mut builder = ConnectionPoolExporter::builder()
        .with_protocol(protocol)
        .with_timeout(timeout)
        .with_error_handler(|_| {});
    for url in urls {
        builder = builder.with_endpoint(*url);
    }
    let processor = BatchOptimizedExporter::wrap(builder.build().unwrap())
        .with_max_export_batch_size(1)
        .with_max_exports_in_flight(64)
        .with_error_handler(|_| {})
        .build()
        .unwrap();
    let watch = processor.watch();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .build();
    (provider, watch)
}

fn url(loopback: &Loopback, protocol: Protocol) -> &str {
    match protocol {
        Protocol::Grpc => loopback.grpc(),
        _ => loopback.http(),
    }
}

#[test]
fn receiver_that_says_when_is_asked_again_then_and_not_before() {
    for protocol in PROTOCOLS {
        let wait = Duration::from_secs(2);
        let faults = Faults::new()
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .with_retry_after(wait)
            .with_first_requests(1);
        let loopback = Loopback::with_hook(faults.clone());
        let (provider, watch) = provider(protocol, &[url(&loopback, protocol)], LONG);
        let begun = Instant::now();
        load(&provider, 1);
        provider.shutdown_with_timeout(LONG).unwrap();
        assert!(
            begun.elapsed() >= wait,
            "{protocol:?}: {:?}",
            begun.elapsed()
        );
        let report = watch.report();
        assert_eq!(report.exported, 1, "{report:?}");
        // Whoever says when has not taken the spans: nothing can have come twice.
        assert_eq!(report.ambiguous_retries, 0, "{report:?}");
        assert_eq!(faults.seen(), 2, "{protocol:?}");
        assert_eq!(loopback.store().span_count(), 1);
    }
}

/// Exporters of one process share what it may try again. Two of them have 64 exports under way each, to
/// receivers that are busy all the time; half of them could go elsewhere at once.
#[test]
fn retries_of_all_exporters_of_a_process_stay_within_its_budget() {
    alone(
        "retries_of_all_exporters_of_a_process_stay_within_its_budget",
        &[],
        || PROTOCOLS.into_iter().for_each(retry_in_vain),
    );
}

fn retry_in_vain(protocol: Protocol) {
    const EXPORTS: u64 = 64;
    let faults = Faults::new().with_status(StatusCode::SERVICE_UNAVAILABLE);
    let busy = [(); 3].map(|()| Loopback::with_hook(faults.clone()));
    let urls = [0, 1, 2].map(|at| url(&busy[at], protocol));
    let begun = Instant::now();
    let timeout = Duration::from_secs(4);
    let pipelines = [&urls[..1], &urls[1..]].map(|urls| provider(protocol, urls, timeout));
    for (provider, _) in &pipelines {
        load(provider, EXPORTS as usize);
    }
    thread::scope(|scope| {
        for (provider, _) in &pipelines {
            scope.spawn(|| provider.shutdown_with_timeout(LONG));
        }
    });
    let seconds = begun.elapsed().as_secs() + 1;
    for (_, watch) in &pipelines {
        let report = watch.report();
        assert_eq!((report.ended, report.exported), (EXPORTS, 0), "{report:?}");
        assert_eq!(report.dropped_total(), EXPORTS, "{report:?}");
    }
    // 16 at once, and 4 a second.
    let first_tries = EXPORTS * pipelines.len() as u64;
    let retries = faults.seen() - first_tries;
    assert!(retries >= 4, "{protocol:?}: {retries} retries");
    assert!(
        retries <= 16 + 4 * seconds,
        "{protocol:?}: {retries} retries in {seconds} s"
    );
}
