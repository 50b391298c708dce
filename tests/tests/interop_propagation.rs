//! One trace through services in three languages, Rust on this library, the others on their
//! official SDKs; what each says about its ids must be what the Collector has of it.
#![cfg(feature = "peers")]
#![expect(
    clippy::unwrap_used,
    reason = "the hands of these tests fail with them"
)]

use std::time::Duration;

use otel_enhance_tests::collector_file::CollectedSpan;
use otel_enhance_tests::peers::{Called, Collector, Service};

const RUST: &str = env!("CARGO_BIN_EXE_rust_service");
const TIMEOUT: Duration = Duration::from_secs(20);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answers along the chain, the first one's first.
fn chain(first: Called) -> Vec<Called> {
    let mut answers = vec![first];
    while !answers[answers.len() - 1].next.is_null() {
        let next = answers[answers.len() - 1].next.clone();
        answers.push(serde_json::from_value(next).unwrap());
    }
    answers
}

fn find<'s>(spans: &'s [CollectedSpan], id: &str) -> &'s CollectedSpan {
    spans
        .iter()
        .find(|collected| hex(&collected.span.span_id) == id)
        .unwrap()
}

/// Rust → Python → Rust → JavaScript, sampled or not as `flags` says. The services live on: an answer may be there before
/// the span that it tells of was sent.
fn through_the_chain(collector: &Collector, flags: &str) -> (Vec<Called>, [Service; 4]) {
    let endpoint = collector.http_endpoint();
    let first = Service::rust(RUST, &endpoint, "rust-1");
    let second = Service::python(&endpoint, "python-2");
    let third = Service::rust(RUST, &endpoint, "rust-3");
    let fourth = Service::javascript(&endpoint, "javascript-4");
    let traceparent = format!("00-{TRACE}-{CALLER}-{flags}");
    let headers = [
        ("traceparent", &*traceparent),
        ("tracestate", "vendor=value"),
        ("baggage", "user=alice,tier=gold"),
    ];
    let rest = second.url(Some(&third.url(Some(&fourth.url(None)))));
    let answers = chain(first.call(Some(&rest), &headers));
    let languages: Vec<&str> = answers
        .iter()
        .map(|called| called.language.as_str())
        .collect();
    assert_eq!(languages, ["rust", "python", "rust", "javascript"]);
    for called in &answers {
        assert_eq!(called.trace_id, TRACE);
        assert_eq!(called.sampled, flags == "01");
        assert_eq!(called.tracestate, "vendor=value");
        let baggage: Vec<_> = called
            .baggage
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(baggage, [("tier", "gold"), ("user", "alice")]);
    }
    (answers, [first, second, third, fourth])
}

#[test]
fn rust_python_rust_javascript_make_one_trace() {
    let collector = Collector::start();
    let (answers, _services) = through_the_chain(&collector, "01");

    // A server span for each service, a client span for each call between them.
    let spans = collector.wait_for_spans(7, TIMEOUT);
    assert_eq!(spans.len(), 7, "{}", collector.log());
    assert!(
        spans
            .iter()
            .all(|collected| hex(&collected.span.trace_id) == TRACE)
    );
    assert_eq!(answers[0].parent_span_id.as_deref(), Some(CALLER));
    for pair in answers.windows(2) {
        let caller = find(&spans, &pair[0].span_id);
        let client = find(&spans, pair[1].parent_span_id.as_deref().unwrap());
        let called = find(&spans, &pair[1].span_id);
        assert_eq!(client.span.parent_span_id, caller.span.span_id);
        assert_eq!(called.span.parent_span_id, client.span.span_id);
        assert_eq!(
            client.resource, caller.resource,
            "the call was made by the caller"
        );
        assert_ne!(called.resource, caller.resource);
        for (collected, kind) in [(caller, 2), (client, 3), (called, 2)] {
            assert_eq!(collected.span.kind, kind, "{:?}", collected.span);
            assert_eq!(collected.span.trace_state, "vendor=value");
        }
    }
}

#[test]
fn a_caller_that_does_not_sample_is_obeyed_by_all() {
    let mut collector = Collector::start();
    let (answers, services) = through_the_chain(&collector, "00");
    assert_eq!(answers[0].parent_span_id.as_deref(), Some(CALLER));
    drop(services);
    collector.stop();
    assert_eq!(collector.spans(), []);
}
