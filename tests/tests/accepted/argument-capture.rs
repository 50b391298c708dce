use otel_enhance::{enhanced_trace, testing};

use std::time::Duration;

#[enhanced_trace(name = "capture", capture(id, %price, ?wait))]
fn capture_some(id: u32, price: f64, wait: Duration, password: &str) -> usize {
    let _ = (id, price, wait);
    password.len()
}

pub(crate) fn main() {
    let capture = testing::capture();
    capture_some(1, 2.5, Duration::from_secs(1), "secret");
    capture
        .assert_span("capture")
        .has("id", 1)
        .has("price", "2.5")
        .has("wait", "1s")
        .lacks("password");
}
