use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "typed", ret)]
fn typed() -> u32 {
    7
}

#[enhanced_trace(name = "display", ret(Display))]
async fn display() -> f64 {
    1.5
}

#[enhanced_trace(name = "both", err, ret(Debug))]
fn both() -> Result<Vec<u8>, String> {
    Ok(vec![1])
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    typed();
    display().await;
    both().unwrap();
    capture.assert_span("typed").has("return", 7);
    capture.assert_span("display").has("return", "1.5");
    capture.assert_span("both").has("return", "[1]");
}
