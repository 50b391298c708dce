//! `ConnectionPoolExporter` against several receivers: balance, reuse, failures, and their end.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use http::StatusCode;
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_enhance::config::Protocol;
use otel_enhance::export::DropReason;
use otel_enhance::extensions::performance::{
    BatchOptimizedExporter, BatchWatch, ConnectionPoolExporter,
};
use otel_enhance::{TelemetryGuard, enhanced_trace, init, new_enhanced_pipeline};
use otel_enhance_receiver::{BlockingReceiver, Faults, Hook, Receiver, Request, Store};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::gate::Gate;
use otel_enhance_tests::load::load;

/// Longer than anything on loopback takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

const PROTOCOLS: [Protocol; 3] = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];

/// A receiver that knows who asked it.
struct Peer {
    store: Store,
    connections: Arc<Mutex<HashSet<SocketAddr>>>,
    receiver: BlockingReceiver,
    protocol: Protocol,
}

impl Peer {
    fn start(protocol: Protocol, hook: impl Hook) -> Self {
        Self::at("127.0.0.1:0", protocol, hook)
    }

    fn at(address: &str, protocol: Protocol, hook: impl Hook) -> Self {
        let store = Store::new();
        let connections = Arc::new(Mutex::new(HashSet::new()));
        let (kept, seen) = (store.clone(), Arc::clone(&connections));
        let builder = Receiver::builder()
            .with_hook(hook)
            .with_handler(move |request: Request| {
                seen.lock().unwrap().insert(request.head.peer);
                let kept = kept.clone();
                async move { otel_enhance_receiver::Handler::export(&kept, request).await }
            });
        let builder = match protocol {
            Protocol::Grpc => builder.with_grpc(address),
            _ => builder.with_http(address),
        };
        Self {
            store,
            connections,
            receiver: builder.start_blocking().unwrap(),
            protocol,
        }
    }

    fn url(&self) -> String {
        let url = match self.protocol {
            Protocol::Grpc => self.receiver.grpc_endpoint(),
            _ => self.receiver.http_endpoint(),
        };
        url.unwrap().to_owned()
    }

    fn address(&self) -> String {
        let address = match self.protocol {
            Protocol::Grpc => self.receiver.grpc_addr(),
            _ => self.receiver.http_addr(),
        };
        address.unwrap().to_string()
    }

    fn stop(self) {
        self.receiver.shutdown(Duration::from_secs(5)).unwrap();
    }

    fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }
}

fn provider(protocol: Protocol, urls: &[String]) -> (SdkTracerProvider, BatchWatch) {
    let mut builder = ConnectionPoolExporter::builder()
        .with_protocol(protocol)
        .with_error_handler(|_| {});
    for url in urls {
        builder = builder.with_endpoint(url);
    }
    let exporter = BatchOptimizedExporter::wrap(builder.build().unwrap())
        .with_max_export_batch_size(10)
        .with_error_handler(|_| {});
    let processor = exporter.build().unwrap();
    let watch = processor.watch();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .build();
    (provider, watch)
}

fn instant() -> Gate {
    Gate::open_with_latency(Duration::ZERO)
}

#[test]
fn equal_endpoints_share_the_requests_over_connections_that_are_kept() {
    for protocol in PROTOCOLS {
        let peers = [(); 2].map(|()| Peer::start(protocol, instant()));
        let (provider, watch) = provider(protocol, &[peers[0].url(), peers[1].url()]);
        for _ in 0..20 {
            load(&provider, 10);
            provider.force_flush().unwrap();
        }
        provider.shutdown().unwrap();
        assert_eq!(watch.report().exported, 200, "{:?}", watch.report());
        for peer in &peers {
            let got = peer.store.span_count();
            assert!((50..=150).contains(&got), "{protocol:?}: {got} of 200");
            // One after the other, or the few that a flush cuts a batch into.
            let connections = peer.connections();
            assert!(connections <= 4, "{protocol:?}: {connections} connections");
        }
    }
}

#[test]
fn endpoint_that_is_down_costs_no_span_and_is_used_again_when_it_is_back() {
    for protocol in PROTOCOLS {
        let steady = Peer::start(protocol, instant());
        let flaky = Peer::start(protocol, instant());
        let address = flaky.address();
        let (provider, watch) = provider(protocol, &[steady.url(), flaky.url()]);
        load(&provider, 100);
        provider.force_flush().unwrap();
        let before = flaky.store.span_count();
        flaky.stop();
        load(&provider, 100);
        provider.force_flush().unwrap();
        assert_eq!(watch.report().exported, 200, "{:?}", watch.report());
        assert_eq!(before + steady.store.span_count(), 200);

        let back = Peer::at(&address, protocol, instant());
        let begun = Instant::now();
        while back.store.span_count() == 0 {
            assert!(begun.elapsed() < LONG, "{protocol:?}: never used again");
            load(&provider, 10);
            provider.force_flush().unwrap();
            thread::sleep(Duration::from_millis(50));
        }
        provider.shutdown().unwrap();
        let report = watch.report();
        assert_eq!(report.exported, report.ended, "{report:?}");
    }
}

#[test]
fn endpoint_that_throttles_is_left_alone_and_the_other_gets_the_request_at_once() {
    for protocol in PROTOCOLS {
        let faults = Faults::new()
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .with_retry_after(Duration::from_secs(3600));
        let busy = Peer::start(protocol, faults.clone());
        let free = Peer::start(protocol, instant());
        let (provider, watch) = provider(protocol, &[busy.url(), free.url()]);
        let begun = Instant::now();
        load(&provider, 200);
        provider.shutdown_with_timeout(LONG).unwrap();
        // A wait for the throttled one would have ended in a drop after the timeout.
        assert!(begun.elapsed() < Duration::from_secs(30));
        let report = watch.report();
        assert_eq!(report.exported, 200, "{report:?}");
        assert_eq!(free.store.span_count(), 200);
        assert!(faults.seen() >= 1, "it was tried");
        // Those that were under way when it said so.
        assert!(faults.seen() <= 8, "{} requests", faults.seen());
    }
}

#[test]
fn outage_of_all_endpoints_is_waited_out() {
    for protocol in PROTOCOLS {
        let first = Peer::start(protocol, instant());
        let address = first.address();
        let url = first.url();
        first.stop();
        let (provider, watch) = provider(protocol, &[url]);
        load(&provider, 100);
        thread::sleep(Duration::from_millis(500));
        assert_eq!(watch.report().dropped_total(), 0);
        let back = Peer::at(&address, protocol, instant());
        provider.shutdown_with_timeout(LONG).unwrap();
        let report = watch.report();
        assert_eq!(report.exported, 100, "{report:?}");
        assert_eq!(back.store.span_count(), 100);
    }
}

#[test]
fn refusal_for_good_is_tried_nowhere_else() {
    for protocol in PROTOCOLS {
        let refusing = || Faults::new().with_status(StatusCode::BAD_REQUEST);
        let faults = [refusing(), refusing()];
        let peers = faults.clone().map(|faults| Peer::start(protocol, faults));
        let (provider, watch) = provider(protocol, &[peers[0].url(), peers[1].url()]);
        load(&provider, 10);
        provider.shutdown_with_timeout(LONG).unwrap();
        let report = watch.report();
        assert_eq!(report.dropped(DropReason::ExporterFailed), 10, "{report:?}");
        let seen = faults[0].seen() + faults[1].seen();
        // The batch may have gone in parts.
        assert!((1..=4).contains(&seen), "{seen}");
    }
}

#[test]
fn name_without_an_address_is_unreachable_and_counted() {
    let (provider, watch) = provider(
        Protocol::HttpProtobuf,
        &["http://nowhere.invalid:4318".to_owned()],
    );
    load(&provider, 10);
    provider
        .shutdown_with_timeout(Duration::from_secs(2))
        .unwrap_err();
    let report = watch.report();
    assert_eq!(report.ended, 10);
    assert_eq!(report.dropped_total(), 10, "{report:?}");
}

#[enhanced_trace(name = "work")]
fn work() {}

/// Ends spans of annotated functions until `enough`.
fn work_until(guard: &TelemetryGuard, enough: impl Fn() -> bool) {
    let begun = Instant::now();
    while !enough() {
        assert!(begun.elapsed() < LONG, "{:?}", guard.delivery());
        (0..20).for_each(|_| work());
        guard.force_flush().unwrap();
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn endpoints_given_to_init_share_the_spans_and_lose_none_while_one_is_down() {
    alone(
        "endpoints_given_to_init_share_the_spans_and_lose_none_while_one_is_down",
        &[],
        || {
            for protocol in PROTOCOLS {
                let [steady, flaky] = [(); 2].map(|()| Peer::start(protocol, instant()));
                let (urls, address) = ([steady.url(), flaky.url()], flaky.address());
                let quiet = |_: &otel_enhance::export::Report| {};
                let guard = match protocol {
                    Protocol::Grpc => init!(
                        exporter = otlp_grpc,
                        error_handler = quiet,
                        performance(endpoints = urls, batch = 10)
                    ),
                    Protocol::HttpJson => init!(
                        exporter = otlp_json,
                        error_handler = quiet,
                        performance(endpoints = urls, batch = 10)
                    ),
                    _ => init!(
                        error_handler = quiet,
                        performance(endpoints = [urls[0].as_str(), &urls[1]], batch = 10)
                    ),
                }
                .unwrap();
                let both = || steady.store.span_count() > 0 && flaky.store.span_count() > 0;
                work_until(&guard, both);

                let before_the_end = flaky.store.clone();
                flaky.stop();
                let before = steady.store.span_count();
                work_until(&guard, || steady.store.span_count() > before + 100);

                let back = Peer::at(&address, protocol, instant());
                work_until(&guard, || back.store.span_count() > 0);
                guard.shutdown_with_timeout(LONG).unwrap();
                let report = guard.delivery();
                assert_eq!(report.exported, report.ended, "{report:?}");
                let stores = [&steady.store, &before_the_end, &back.store];
                let received: usize = stores.into_iter().map(Store::span_count).sum();
                assert_eq!(received as u64, report.ended, "{protocol:?}");
            }
        },
    );
}

#[test]
fn list_of_no_endpoint_is_an_error_that_says_so() {
    let none: [&str; 0] = [];
    let error = new_enhanced_pipeline()
        .with_endpoints(none)
        .install_batch()
        .unwrap_err();
    assert!(error.to_string().contains("`endpoints`"), "{error}");
}
