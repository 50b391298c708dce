//! A library that annotates with `default-features = false`, in an application that installs telemetry.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use otel_enhance_test_library::{add, observed};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::Loopback;

/// Threads of this process.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}
#[cfg(not(target_os = "linux"))]
fn threads() -> usize {
    0
}

#[test]
fn library_joins_the_applications_provider_while_it_is_installed() {
    alone(
        "library_joins_the_applications_provider_while_it_is_installed",
        &[],
        || {
            let loopback = Loopback::start();
            let before = threads();
            assert_eq!(add(1, 1), 2);
            assert!(!observed());
            assert_eq!(threads(), before, "something was started without `init!`");

            let guard = otel_enhance::init!(service = "application", endpoint = loopback.http());
            let guard = guard.unwrap();
            assert_eq!(add(20, 22), 42);
            assert!(observed());
            guard.shutdown().unwrap();

            add(3, 3);
            assert!(!observed());
            let spans = loopback.wait(2);
            assert_eq!(loopback.names(), ["library::add", "library::observed"]);
            let add = spans
                .iter()
                .find(|stored| stored.span.name == "library::add")
                .unwrap();
            assert_eq!(add.scope.name, "otel-enhance-test-library");
            let sum = add.span.attributes.iter().find(|found| found.key == "sum");
            let sum = sum.and_then(|sum| sum.value.clone()?.value);
            assert_eq!(sum, Some(Value::IntValue(42)));
            let service = format!("{:?}", add.resource);
            assert!(service.contains("application"), "{service}");
        },
    );
}
