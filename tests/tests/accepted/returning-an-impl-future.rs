use otel_enhance::{enhanced_trace, testing};

use std::future::Future;

#[enhanced_trace(name = "later", capture(number), err)]
fn later(number: u32) -> impl Future<Output = Result<u32, String>> + Send {
    let doubled = number * 2;
    async move {
        tokio::task::yield_now().await;
        if doubled > 4 {
            Err("too large".to_owned())
        } else {
            Ok(doubled)
        }
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    assert_eq!(later(1).await, Ok(2));
    assert!(later(3).await.is_err());
    assert_eq!(capture.spans().len(), 2);
}
