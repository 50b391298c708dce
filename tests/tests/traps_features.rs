//! Rows of the trap table that come from other crates' cargo features, and `panic = "abort"`: the
//! programs are in `fixtures`, a workspace with a dependency graph of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use otel_enhance_receiver::{ContentType, Faults, Receiver, ServerTls, Store};
use otel_enhance_tests::cases::{Inbox, Program, Ran, Side};
use otel_enhance_tests::certificates::Certificates;
use otel_enhance_tests::fixtures;
use rustix::process::Signal;

const ARRIVAL: Duration = Duration::from_secs(20);

fn program(case: &str, side: Side) -> Program {
    let hostile = fixtures::hostile(env!("CARGO_BIN_EXE_program")).unwrap();
    Program::new(hostile, case, side)
}

fn run(case: &str, side: Side, inbox: &Inbox) -> Ran {
    program(case, side).sending_to(inbox).run().unwrap()
}

fn aborted(ran: &Ran) -> bool {
    ran.status.signal() == Some(Signal::ABORT.as_raw())
}

#[test]
fn http_json_feature() {
    let http = Inbox::http().unwrap();
    let plain = run("http_json_feature", Side::Plain, &http);
    assert!(plain.status.success(), "{plain:?}");
    let ours = run("http_json_feature", Side::Ours, &http);
    assert_eq!(ours.number("exported"), 1, "{ours:?}");
    let requests = http.store.wait_for_requests(2, ARRIVAL).unwrap();
    assert_eq!(requests[0].content_type, ContentType::Json);
    assert_eq!(requests[1].content_type, ContentType::Protobuf);
}

#[test]
fn reqwest_client_feature() {
    let http = Inbox::http().unwrap();
    let plain = run("reqwest_client_feature", Side::Plain, &http);
    assert!(aborted(&plain), "{plain:?}");
    assert!(plain.stderr.contains("no reactor running"), "{plain:?}");
    assert_eq!(http.store.span_count(), 0);
    let ours = run("reqwest_client_feature", Side::Ours, &http);
    assert_eq!(ours.number("exported"), 1, "{ours:?}");
}

#[test]
fn simple_on_tokio() {
    let http = Inbox::http().unwrap();
    let plain = run("simple_on_tokio", Side::Plain, &http);
    assert!(aborted(&plain), "{plain:?}");
    // It dies of its client's runtime, which may have sent the span before.
    let before = http.store.span_count();
    let ours = run("simple_on_tokio", Side::Ours, &http);
    assert_eq!(ours.number("exported"), 1, "{ours:?}");
    assert_eq!(http.store.span_count(), before + 1);
}

/// Ours exports over TLS although the process has no default provider.
fn exports_over_tls(case: &str) {
    let certificates = Certificates::generate();
    let tls = ServerTls::from_pem(
        &std::fs::read(certificates.server()).unwrap(),
        &std::fs::read(certificates.server_key()).unwrap(),
    )
    .unwrap();
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_tls(tls)
        .with_handler(store.clone())
        .start_blocking()
        .unwrap();
    let ours = program(case, Side::Ours)
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            receiver.http_endpoint().unwrap(),
        )
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", certificates.authority())
        .run()
        .unwrap();
    assert_eq!(ours.number("exported"), 1, "{ours:?}");
    store.wait_for_spans(1, ARRIVAL).unwrap();
}

#[test]
fn rustls_no_provider() {
    let plain = program("rustls_no_provider", Side::Plain).run().unwrap();
    assert!(aborted(&plain), "{plain:?}");
    exports_over_tls("rustls_no_provider");
}

#[test]
fn second_tls_provider() {
    let plain = program("second_tls_provider", Side::Plain).run().unwrap();
    assert!(aborted(&plain), "{plain:?}");
    assert!(plain.stderr.contains("CryptoProvider"), "{plain:?}");
    exports_over_tls("second_tls_provider");
}

#[test]
fn panic_abort_delivers_ended_spans_and_counts_open_ones() {
    let http = Inbox::http().unwrap();
    let ran = run("panic_abort", Side::Ours, &http);
    assert!(aborted(&ran), "{ran:?}");
    assert!(
        ran.stderr.contains("the case"),
        "the earlier hook ran: {ran:?}"
    );
    assert!(ran.stderr.contains("2 spans were unfinished"), "{ran:?}");
    http.store.wait_for_spans(3, ARRIVAL).unwrap();
    assert_eq!(http.store.span_count(), 3);
}

#[test]
fn panic_abort_with_a_hanging_receiver_ends_within_two_seconds_and_counts() {
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(Store::new())
        .with_hook(Faults::new().with_hang())
        .start_blocking()
        .unwrap();
    let running = program("panic_abort", Side::Ours)
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            receiver.http_endpoint().unwrap(),
        )
        .start()
        .unwrap();
    running.wait_for("ready").unwrap();
    let ran = running.finish().unwrap();
    assert!(aborted(&ran), "{ran:?}");
    assert!(ran.took < Duration::from_secs(2), "{ran:?}");
    assert!(ran.stderr.contains("3 shutdown_deadline"), "{ran:?}");
}
