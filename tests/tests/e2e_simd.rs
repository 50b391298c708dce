//! The extension `simd` where it replaces an exporter made by hand, and where it cannot work.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_enhance::InitError;
use otel_enhance::export::Destination;
use otel_enhance::extensions::simd::SimdSpanExporter;
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::Loopback;
use otel_enhance_tests::nuisance::dead;
use otel_enhance_tests::sender::Recorder;

/// The official exporter over gRPC, as one builds it by hand.
fn official(endpoint: &str) -> SpanExporter {
    SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.to_owned())
        .with_timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

fn end_one_span(exporter: SimdSpanExporter) {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .build();
    provider.tracer("by-hand").start("order").end();
    provider.shutdown().unwrap();
}

#[test]
fn official_exporter_wrapped_without_destination_delivers_as_before() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let loopback = Loopback::start();
    let exporter = SimdSpanExporter::wrap(official(loopback.grpc())).unwrap();
    let watch = exporter.watch();
    end_one_span(exporter);
    assert_eq!(loopback.names(), ["order"]);
    assert_eq!(watch.report().exported, 1);
}

#[test]
fn official_exporter_that_leads_nowhere_does_not_matter_with_a_destination() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let loopback = Loopback::start();
    let url = format!("{}/v1/traces", loopback.http());
    for destination in [Destination::http(url), Destination::grpc(loopback.grpc())] {
        let exporter = SimdSpanExporter::wrap(official(&dead()))
            .unwrap()
            .with_destination(&destination)
            .unwrap();
        let watch = exporter.watch();
        end_one_span(exporter);
        assert_eq!(watch.report().exported, 1);
        assert_eq!(watch.report().dropped_total(), 0);
    }
    assert_eq!(loopback.names(), ["order", "order"]);
}

#[test]
fn simd_beside_an_exporter_without_a_known_destination_is_an_error_that_says_so() {
    alone(
        "simd_beside_an_exporter_without_a_known_destination_is_an_error_that_says_so",
        &[],
        || {
            let refused = [
                otel_enhance::init!(exporter = official(&dead()), simd),
                otel_enhance::init!(exporter = stdout, simd),
            ];
            for refused in refused {
                let error = refused.unwrap_err();
                let InitError::InvalidArgument {
                    argument: "simd", ..
                } = &error
                else {
                    panic!("{error:?}");
                };
                assert!(error.to_string().contains("SimdSpanExporter"), "{error}");
            }
        },
    );
}

#[test]
fn environment_that_exports_to_the_console_does_not_stop_a_service_with_simd() {
    alone(
        "environment_that_exports_to_the_console_does_not_stop_a_service_with_simd",
        &[("OTEL_TRACES_EXPORTER", "console")],
        || {
            let recorder = Recorder::default();
            let guard = otel_enhance::init!(simd, processor = recorder.clone()).unwrap();
            opentelemetry::global::tracer("by-hand")
                .start("order")
                .end();
            guard.shutdown().unwrap();
            assert_eq!(guard.delivery().exported, 1);
        },
    );
}

#[test]
fn instruction_set_that_cannot_be_had_is_reported_with_what_would_be_right() {
    for (value, right) in [
        ("avx3", "no instruction set"),
        ("AVX512", "no kernels"),
        ("neon", "lacks"),
        (" ", ""),
        ("scalar", ""),
    ] {
        if right == "lacks" && cfg!(target_arch = "aarch64") {
            continue;
        }
        alone(
            "instruction_set_that_cannot_be_had_is_reported_with_what_would_be_right",
            &[("OTEL_ENHANCE_SIMD", value)],
            || {
                let guard = otel_enhance::init!(exporter = none, error_handler = |_| {}).unwrap();
                let said: Vec<String> = guard
                    .diagnostics()
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                let value = std::env::var("OTEL_ENHANCE_SIMD").unwrap();
                let right = match value.as_str() {
                    "avx3" => "no instruction set",
                    "AVX512" => "no kernels",
                    "neon" => "lacks",
                    _ => {
                        assert_eq!(said, [""; 0]);
                        return;
                    }
                };
                assert_eq!(said.len(), 1, "{said:?}");
                for part in [
                    "OTEL_ENHANCE_SIMD",
                    &value,
                    right,
                    "expected `scalar`",
                    "holds",
                ] {
                    assert!(said[0].contains(part), "{said:?}");
                }
            },
        );
    }
}
