//! A build without TLS in an environment that asks for it.
#![cfg(all(
    feature = "sdk",
    any(feature = "otlp-http", feature = "otlp-grpc"),
    not(feature = "tls-no-provider")
))]

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use otel_enhance::export::DropReason;
use otel_enhance::{InitError, new_enhanced_pipeline};

const MARK: &str = "OTEL_ENHANCE_TEST_ALONE";
const TEST: &str = "https_of_the_environment_does_not_stop_the_service_and_is_counted";

/// The environment never stops a service, and never makes it send in the clear what was to be encrypted.
#[test]
fn https_of_the_environment_does_not_stop_the_service_and_is_counted() {
    if std::env::var_os(MARK).is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let touched = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&touched);
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                seen.store(true, Ordering::SeqCst);
            }
        });
        let output = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(MARK, "1")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("https://{address}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("needs the cargo feature `tls`"), "{said}");
        assert!(!touched.load(Ordering::SeqCst), "somebody connected");
        return;
    }
    let guard = new_enhanced_pipeline().install_batch().unwrap();
    let diagnostics = guard.diagnostics().as_slice();
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    assert_eq!(diagnostics[0].name, "OTEL_EXPORTER_OTLP_ENDPOINT");
    let tracer = guard.tracer_provider().tracer("test");
    for _ in 0..3 {
        tracer.start("work").end();
    }
    guard.shutdown_with_timeout(Duration::from_secs(5)).unwrap();
    let report = guard.delivery();
    assert_eq!(report.dropped(DropReason::Credentials), 3, "{report:?}");
    assert_eq!(report.dropped_total(), report.ended, "{report:?}");
}

/// In code it is a mistake that can be told at once.
#[test]
fn https_in_code_is_an_error_that_names_the_feature() {
    let refused = new_enhanced_pipeline()
        .with_endpoint("https://localhost:4318")
        .install_batch();
    let error = refused.map(|_| ()).unwrap_err();
    assert!(
        matches!(error, InitError::FeatureMissing { feature: "tls", .. }),
        "{error:?}"
    );
}
