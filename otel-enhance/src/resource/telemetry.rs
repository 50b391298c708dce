//! The SDK that records, and this distribution of it.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};

/// `telemetry.sdk.name`, `.language`, `.version` as the official detector has them, and
/// `telemetry.distro.name`, `.version` of otel-enhance.
#[derive(Clone, Copy, Debug, Default)]
pub struct TelemetryDetector;

impl ResourceDetector for TelemetryDetector {
    fn detect(&self) -> Resource {
        let sdk = TelemetryResourceDetector.detect();
        let of_sdk = |key: &'static str| (key, sdk.get(&key.into()));
        super::of([
            of_sdk("telemetry.sdk.name"),
            of_sdk("telemetry.sdk.language"),
            of_sdk("telemetry.sdk.version"),
            ("telemetry.distro.name", Some("otel-enhance".into())),
            (
                "telemetry.distro.version",
                Some(env!("CARGO_PKG_VERSION").into()),
            ),
        ])
    }
}
