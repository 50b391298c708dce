use otel_enhance::{enhanced_trace, testing};

use std::future::Future;
use std::pin::Pin;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[enhanced_trace(name = "pinned", err)]
fn pinned(number: &u32) -> Pin<Box<dyn Future<Output = Result<u32, String>> + Send + '_>> {
    Box::pin(async move { Ok(*number) })
}

#[enhanced_trace(name = "alias")]
fn alias<'a>(number: &'a u32) -> BoxFuture<'a, u32> {
    if *number == 0 {
        return Box::pin(std::future::ready(0));
    }
    Box::pin(async move { *number + 1 })
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    assert_eq!(pinned(&1).await, Ok(1));
    assert_eq!(alias(&1).await, 2);
    assert_eq!(alias(&0).await, 0);
    capture.assert_names(&["pinned", "alias", "alias"]);
}
