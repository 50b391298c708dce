//! TLS and mTLS, from code and from the environment: encrypted and verified, or not sent at all.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use otel_enhance::export::{DeliveryReport, DropReason};
use otel_enhance::{TelemetryGuard, enhanced_trace};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::certificates::Certificates;
use otel_enhance_tests::loopback::Loopback;

#[enhanced_trace(name = "secret", capture(number))]
fn secret(number: u64) {}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Ends spans, shuts down; the books.
fn export(guard: &TelemetryGuard) -> DeliveryReport {
    for number in 0..10 {
        secret(number);
    }
    // Nothing is waited for that will not come: exports have a timeout.
    guard.shutdown().ok();
    let report = guard.delivery();
    assert_eq!(report.ended, 10, "{report:?}");
    report
}

fn arrived(loopback: &Loopback, report: &DeliveryReport, mutual: bool) {
    assert_eq!(report.exported, 10, "{report:?}");
    assert_eq!(loopback.store().span_count(), 10);
    for request in loopback.store().requests() {
        assert!(request.head.encrypted);
        assert_eq!(!request.head.client_certificates.is_empty(), mutual);
    }
}

fn held_back(loopback: &Loopback, report: &DeliveryReport) {
    assert_eq!(report.exported, 0, "{report:?}");
    assert_eq!(report.dropped(DropReason::Credentials), 10, "{report:?}");
    assert_eq!(loopback.store().requests().len(), 0);
}

/// Installs by the macro; every path is an expression, as in a program.
macro_rules! install {
    ($exporter:ident, $endpoint:expr, $($tls:tt)*) => {
        otel_enhance::init!(
            service = "tls",
            exporter = $exporter,
            endpoint = $endpoint,
            timeout = 2s,
            tls($($tls)*),
        )
        .unwrap()
    };
}

#[test]
fn tls_from_code_over_http_and_grpc_delivers_encrypted() {
    alone(
        "tls_from_code_over_http_and_grpc_delivers_encrypted",
        &[],
        || {
            let files = Certificates::generate();
            let ca = files.authority();
            let loopback = Loopback::with_tls(&files, false);
            let guard = install!(otlp_http, loopback.http(), ca = text(&ca));
            arrived(&loopback, &export(&guard), false);
            let loopback = Loopback::with_tls(&files, false);
            let guard = install!(otlp_grpc, loopback.grpc(), ca = text(&ca));
            arrived(&loopback, &export(&guard), false);
        },
    );
}

#[test]
fn mutual_tls_from_code_over_http_and_grpc_shows_the_clients_certificate() {
    alone(
        "mutual_tls_from_code_over_http_and_grpc_shows_the_clients_certificate",
        &[],
        || {
            let files = Certificates::generate();
            let (ca, cert, key) = (files.authority(), files.client(), files.client_key());
            let loopback = Loopback::with_tls(&files, true);
            let guard = install!(
                otlp_http,
                loopback.http(),
                ca = text(&ca),
                cert = text(&cert),
                key = text(&key)
            );
            arrived(&loopback, &export(&guard), true);
            let loopback = Loopback::with_tls(&files, true);
            let guard = install!(
                otlp_grpc,
                loopback.grpc(),
                ca = text(&ca),
                cert = text(&cert),
                key = text(&key)
            );
            arrived(&loopback, &export(&guard), true);
        },
    );
}

#[test]
fn authority_of_somebody_else_over_http_and_grpc_delivers_nothing_and_is_counted() {
    alone(
        "authority_of_somebody_else_over_http_and_grpc_delivers_nothing_and_is_counted",
        &[],
        || {
            let files = Certificates::generate();
            let stranger = Certificates::generate().authority();
            let other = Certificates::generate();
            let ca = other.authority();
            let loopback = Loopback::with_tls(&files, false);
            let guard = install!(otlp_http, loopback.http(), ca = text(&ca));
            held_back(&loopback, &export(&guard));
            drop(guard);
            let guard = install!(otlp_grpc, loopback.grpc(), ca = text(&ca));
            held_back(&loopback, &export(&guard));
            drop(guard);
            // That folder is gone: a file that is not there is no reason to trust the system's roots.
            let guard = install!(otlp_http, loopback.http(), ca = text(&stranger));
            held_back(&loopback, &export(&guard));
        },
    );
}

#[test]
fn client_key_that_is_unreadable_holds_exports_back_and_is_counted() {
    alone(
        "client_key_that_is_unreadable_holds_exports_back_and_is_counted",
        &[],
        || {
            let files = Certificates::generate();
            let (ca, cert, key) = (files.authority(), files.client(), files.client_key());
            std::fs::write(&key, "not a key\n").unwrap();
            // A receiver that would take them without a client's certificate, too.
            let loopback = Loopback::with_tls(&files, false);
            let guard = install!(
                otlp_http,
                loopback.http(),
                ca = text(&ca),
                cert = text(&cert),
                key = text(&key)
            );
            held_back(&loopback, &export(&guard));
            drop(guard);
            let guard = install!(
                otlp_grpc,
                loopback.grpc(),
                ca = text(&ca),
                cert = text(&cert),
                key = text(&key)
            );
            held_back(&loopback, &export(&guard));
        },
    );
}

/// Whoever demands a certificate and gets none has not been given a span.
#[test]
fn client_without_the_certificate_that_is_demanded_delivers_nothing_and_is_counted() {
    alone(
        "client_without_the_certificate_that_is_demanded_delivers_nothing_and_is_counted",
        &[],
        || {
            let files = Certificates::generate();
            let ca = files.authority();
            let loopback = Loopback::with_tls(&files, true);
            let guard = install!(otlp_http, loopback.http(), ca = text(&ca));
            held_back(&loopback, &export(&guard));
            drop(guard);
            let guard = install!(otlp_grpc, loopback.grpc(), ca = text(&ca));
            held_back(&loopback, &export(&guard));
        },
    );
}

/// A test in which the environment alone says how to encrypt. `$verdict` judges in its process, what
/// arrived is judged outside of it.
fn from_environment(
    test: &str,
    mutual: bool,
    endpoint: fn(&Loopback) -> &str,
    variables: &dyn Fn(&Certificates) -> Vec<(&'static str, String)>,
    delivers: bool,
) {
    let files = Certificates::generate();
    let loopback = Loopback::with_tls(&files, mutual);
    let mut all = vec![
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            endpoint(&loopback).to_owned(),
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000".to_owned()),
    ];
    all.extend(variables(&files));
    let all: Vec<(&str, &str)> = all
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let waited = alone(test, &all, || {
        let guard = otel_enhance::init!().unwrap();
        let report = export(&guard);
        if delivers {
            assert_eq!(report.exported, 10, "{report:?}");
        } else {
            assert_eq!(report.dropped(DropReason::Credentials), 10, "{report:?}");
        }
    });
    if waited {
        assert_eq!(
            loopback.store().span_count(),
            if delivers { 10 } else { 0 },
            "what arrived"
        );
        for request in loopback.store().requests() {
            assert!(request.head.encrypted);
            assert_eq!(!request.head.client_certificates.is_empty(), mutual);
        }
    }
}

fn owned(path: &Path) -> String {
    text(path).to_owned()
}

fn general(files: &Certificates) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", owned(&files.authority())),
        (
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            owned(&files.client()),
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", owned(&files.client_key())),
    ]
}

/// The variables of the signal, and general ones of which none would do.
fn of_the_signal(files: &Certificates) -> Vec<(&'static str, String)> {
    let nowhere = || "/nonexistent.pem".to_owned();
    vec![
        (
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
            owned(&files.authority()),
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
            owned(&files.client()),
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
            owned(&files.client_key()),
        ),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", nowhere()),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", nowhere()),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", nowhere()),
    ]
}

fn over_grpc(mut variables: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    variables.push(("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()));
    variables
}

#[test]
fn tls_from_the_environment_over_http_delivers_encrypted() {
    from_environment(
        "tls_from_the_environment_over_http_delivers_encrypted",
        false,
        Loopback::http,
        &|files| vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", owned(&files.authority()))],
        true,
    );
}

#[test]
fn mutual_tls_from_the_environment_over_http_delivers_encrypted() {
    from_environment(
        "mutual_tls_from_the_environment_over_http_delivers_encrypted",
        true,
        Loopback::http,
        &general,
        true,
    );
}

#[test]
fn mutual_tls_from_the_environment_over_grpc_delivers_encrypted() {
    from_environment(
        "mutual_tls_from_the_environment_over_grpc_delivers_encrypted",
        true,
        Loopback::grpc,
        &|files| over_grpc(general(files)),
        true,
    );
}

#[test]
fn tls_variables_of_the_signal_over_http_win_over_the_general_ones() {
    from_environment(
        "tls_variables_of_the_signal_over_http_win_over_the_general_ones",
        true,
        Loopback::http,
        &of_the_signal,
        true,
    );
}

#[test]
fn tls_variables_of_the_signal_over_grpc_win_over_the_general_ones() {
    from_environment(
        "tls_variables_of_the_signal_over_grpc_win_over_the_general_ones",
        true,
        Loopback::grpc,
        &|files| over_grpc(of_the_signal(files)),
        true,
    );
}

#[test]
fn client_key_of_the_environment_that_is_unreadable_does_not_stop_the_service_and_is_counted() {
    from_environment(
        "client_key_of_the_environment_that_is_unreadable_does_not_stop_the_service_and_is_counted",
        true,
        Loopback::http,
        &|files| {
            let mut variables = general(files);
            variables.push((
                "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
                "/nonexistent.key".to_owned(),
            ));
            variables
        },
        false,
    );
}
