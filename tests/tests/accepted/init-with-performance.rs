use std::time::Duration;

use otel_enhance::extensions::performance::DropPolicy;
use otel_enhance::init;

pub(crate) fn main() {
    let guard = init!(exporter = none, performance).unwrap();
    guard.shutdown().unwrap();
    let threads = 4;
    let guard = init!(
        endpoint = "http://127.0.0.1:9",
        performance(
            queue = 4096,
            queue_bytes = 16 << 20,
            batch = 512,
            batch_bytes = 1 << 20,
            in_flight = threads,
            drop = "block",
            deadline = 5ms,
            ordered = false,
        ),
    )
    .unwrap();
    guard.shutdown().unwrap();
    let urls = vec!["http://127.0.0.1:9".to_owned()];
    let guard = init!(performance(endpoints = urls)).unwrap();
    guard.shutdown().unwrap();
    let drop = DropPolicy::Block {
        deadline: Duration::from_millis(1),
    };
    let guard = init!(
        exporter = otlp_grpc,
        batch(scheduled_delay = 1s),
        performance(
            endpoints = ["http://127.0.0.1:9", "http://[::1]:9"],
            drop = drop,
            ordered = true,
        ),
    )
    .unwrap();
    guard.shutdown().unwrap();
}
