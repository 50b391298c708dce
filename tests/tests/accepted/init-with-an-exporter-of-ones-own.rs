use otel_enhance::init;

use otel_enhance::sdk::error::OTelSdkResult;
use otel_enhance::sdk::trace::{SpanData, SpanExporter};

#[derive(Debug)]
struct Mine;

impl SpanExporter for Mine {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

pub(crate) fn main() {
    let exporter = Mine;
    // A variable, moved; then an expression.
    init!(exporter = exporter, sampler = always_on)
        .unwrap()
        .shutdown()
        .unwrap();
    init!(exporter = Mine, simple, sampler = ratio(1))
        .unwrap()
        .shutdown()
        .unwrap();
    init!(
        exporter = none,
        propagators(none),
        sampler = parent_based(always_off)
    )
    .unwrap()
    .shutdown()
    .unwrap();
}
