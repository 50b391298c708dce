use otel_enhance::{enhanced_trace, testing};

use std::future::Future;
use std::pin::Pin;

#[enhanced_trace(name = "count", capture(n))]
fn count(n: u32) -> Pin<Box<dyn Future<Output = u32>>> {
    Box::pin(async move { if n == 0 { 0 } else { 1 + count(n - 1).await } })
}

#[enhanced_trace(name = "down")]
async fn down(n: u32) -> u32 {
    if n == 0 {
        0
    } else {
        Box::pin(down(n - 1)).await
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    assert_eq!(count(2).await, 2);
    assert_eq!(down(2).await, 0);
    assert_eq!(capture.spans().len(), 6);
}
