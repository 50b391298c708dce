//! The pool on real sockets, with names whose addresses change.

use std::collections::HashMap;
use std::io;
use std::thread;

use futures_util::future::BoxFuture;
use otel_enhance_receiver::{BlockingReceiver, Receiver, Store};

use super::super::connect::Connector;
use super::super::erased::ErasedExporter;
use super::super::testing::{Pipeline, otlp, span};
use super::*;

const PROTOCOLS: [Protocol; 3] = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];

/// Longer than anything on loopback takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

/// Addresses as they are told.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

impl Told {
    fn tell(&self, host: &str, addresses: impl IntoIterator<Item = SocketAddr>) {
        lock(&self.0).insert(host.to_owned(), addresses.into_iter().collect());
    }
}

impl Names for Told {
    fn look_up<'a>(&'a self, host: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let found = lock(&self.0).get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// A receiver that keeps what it gets.
struct Peer {
    store: Store,
    address: SocketAddr,
    receiver: BlockingReceiver,
}

impl Peer {
    fn start(protocol: Protocol) -> Self {
        Self::at("127.0.0.1:0", protocol)
    }

    fn at(address: &str, protocol: Protocol) -> Self {
        let store = Store::new();
        let builder = Receiver::builder().with_handler(store.clone());
        let builder = match protocol {
            Protocol::Grpc => builder.with_grpc(address),
            _ => builder.with_http(address),
        };
        let receiver = builder.start_blocking().unwrap();
        let address = match protocol {
            Protocol::Grpc => receiver.grpc_addr(),
            _ => receiver.http_addr(),
        };
        Self {
            store,
            address: address.unwrap(),
            receiver,
        }
    }

    fn stop(self) {
        self.receiver.shutdown(Duration::from_secs(5)).unwrap();
    }
}

fn exporter(
    names: &Told,
    protocol: Protocol,
    hosts: &[&str],
    pipeline: &Pipeline,
) -> ErasedExporter {
    let endpoint = |host: &&str| {
        let url = match protocol {
            Protocol::Grpc => format!("http://{host}:4317"),
            _ => format!("http://{host}:4318/v1/traces"),
        };
        Endpoint::new(otlp(protocol, &url), Connector::plain(LONG)).unwrap()
    };
    let endpoints = || hosts.iter().map(endpoint).collect();
    let endpoints = pipeline.shared.runtime.build_guarded(endpoints).unwrap();
    let sink = sink_by(Box::new(names.clone()), endpoints, &pipeline.shared);
    pipeline.erase(sink, LONG)
}

/// Exports spans one by one until `enough`.
fn export_until(pipeline: &Pipeline, exporter: &ErasedExporter, enough: impl Fn() -> bool) {
    let begun = Instant::now();
    while !enough() {
        assert!(begun.elapsed() < LONG, "{:?}", pipeline.said());
        pipeline.export(exporter, vec![span("s")]);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_address_of_a_name_gets_its_share() {
    for protocol in PROTOCOLS {
        let peers = [Peer::start(protocol), Peer::start(protocol)];
        let names = Told::default();
        names.tell("both", peers.iter().map(|peer| peer.address));
        let pipeline = Pipeline::new();
        let exporter = exporter(&names, protocol, &["both"], &pipeline);
        for _ in 0..20 {
            pipeline.export(&exporter, vec![span("s")]);
        }
        assert_eq!(pipeline.report().exported, 20, "{:?}", pipeline.said());
        let got = peers.map(|peer| peer.store.span_count());
        assert_eq!(got, [10, 10], "{protocol:?}");
    }
}

#[test]
fn name_that_moves_after_a_failure_is_followed_and_no_span_lost() {
    for protocol in PROTOCOLS {
        let [old, new] = [Peer::start(protocol), Peer::start(protocol)];
        let names = Told::default();
        names.tell("moving", [old.address]);
        let pipeline = Pipeline::new();
        let exporter = exporter(&names, protocol, &["moving"], &pipeline);
        pipeline.export(&exporter, vec![span("s")]);
        assert_eq!(old.store.span_count(), 1);

        names.tell("moving", [new.address]);
        let kept = old.store.clone();
        old.stop();
        export_until(&pipeline, &exporter, || new.store.span_count() >= 5);
        let report = pipeline.report();
        assert_eq!(report.dropped_total(), 0, "{:?}", pipeline.said());
        assert_eq!(
            report.exported,
            (kept.span_count() + new.store.span_count()) as u64
        );
        assert_eq!(kept.span_count(), 1);
    }
}

#[test]
fn name_that_is_lost_for_a_while_keeps_the_addresses_that_it_had() {
    for protocol in PROTOCOLS {
        let [steady, flaky] = [Peer::start(protocol), Peer::start(protocol)];
        let names = Told::default();
        names.tell("steady", [steady.address]);
        names.tell("flaky", [flaky.address]);
        let pipeline = Pipeline::new();
        let exporter = exporter(&names, protocol, &["steady", "flaky"], &pipeline);
        export_until(&pipeline, &exporter, || flaky.store.span_count() > 0);

        // The name of one is gone, and so is its receiver: that has names looked up.
        lock(&names.0).remove("flaky");
        let address = flaky.address.to_string();
        flaky.stop();
        let before = steady.store.span_count();
        let begun = Instant::now();
        export_until(&pipeline, &exporter, || {
            begun.elapsed() > RESOLVED_AT_LEAST * 2 && steady.store.span_count() > before + 5
        });
        let back = Peer::at(&address, protocol);
        export_until(&pipeline, &exporter, || back.store.span_count() > 0);
        let report = pipeline.report();
        assert_eq!(report.dropped_total(), 0, "{:?}", pipeline.said());
    }
}

#[test]
fn name_that_nobody_knows_at_first_is_asked_for_again_within_the_timeout() {
    let peer = Peer::start(Protocol::HttpProtobuf);
    let names = Told::default();
    let pipeline = Pipeline::new();
    let exporter = exporter(&names, Protocol::HttpProtobuf, &["late"], &pipeline);
    thread::scope(|scope| {
        scope.spawn(|| pipeline.export(&exporter, vec![span("s")]));
        thread::sleep(Duration::from_millis(200));
        names.tell("late", [peer.address]);
    });
    assert_eq!(pipeline.report().exported, 1, "{:?}", pipeline.said());
    assert_eq!(peer.store.span_count(), 1);
}
