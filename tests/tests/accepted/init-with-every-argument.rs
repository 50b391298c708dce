use otel_enhance::init;

use std::time::Duration;

use otel_enhance::sdk::error::OTelSdkResult;
use otel_enhance::sdk::trace::Span;

#[derive(Debug)]
struct Counts;

impl otel_enhance::sdk::trace::SpanProcessor for Counts {
    fn on_start(&self, _: &mut Span, _: &otel_enhance::Context) {}
    fn on_end(&self, _: otel_enhance::sdk::trace::SpanData) {}
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

pub(crate) fn main() {
    let token = "secret".to_owned();
    let guard = init!(
        service = "checkout",
        version = env!("CARGO_PKG_VERSION"),
        environment = String::from("test"),
        resource(cloud.region = "eu-central-1", "shop.floors" = 3),
        exporter = otlp_http,
        endpoint = "http://127.0.0.1:9",
        headers(authorization = format!("Bearer {token}"), x - tenant = "a"),
        compression = none,
        timeout = 1s,
        sampler = parent_based(ratio(0.5)),
        propagators(tracecontext, baggage),
        batch(
            max_queue_size = 4096,
            max_export_batch_size = 256,
            scheduled_delay = 200ms,
            export_timeout = Duration::from_secs(2),
        ),
        limits(
            attributes_per_span = 64,
            events_per_span = 32,
            links_per_span = 16,
            attributes_per_event = 8,
            attributes_per_link = 4,
            attribute_value_length = 4096,
        ),
        processor = Counts,
        processor = Counts,
        error_handler = |_| {},
        shutdown_timeout = "2s",
    )
    .unwrap();
    guard.shutdown().unwrap();
}
