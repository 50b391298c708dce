//! The official transform with prost and serde is the measure of every encoder.

pub(crate) mod arbitrary;
mod golden;
#[cfg(feature = "otlp-json")]
mod json;
#[cfg(feature = "otlp-json")]
mod none;
mod protobuf;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use proptest::test_runner::Config as ProptestConfig;

use super::batch::{BatchEncoder, Format};

/// As many cases as `PROPTEST_CASES` says, or few enough for a build without optimisation.
pub(crate) fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    // What fails is to become a test with a name, not a file.
    config.failure_persistence = None;
    config
}

/// What the official exporter makes of a batch.
fn official(batch: &[SpanData], resource: &Resource) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(batch.to_vec(), &resource.into()),
    }
}

fn encode<F: Format>(encoder: &mut BatchEncoder<F>, batch: &[SpanData]) -> Bytes {
    for span in batch {
        encoder.push(span);
    }
    encoder.finish()
}
