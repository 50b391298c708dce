use otel_enhance::{enhanced_trace, testing};

use async_trait::async_trait;

#[async_trait]
trait Pay {
    async fn pay(&self, total: u32) -> Result<u32, String>;

    #[enhanced_trace(name = "provided")]
    async fn twice(&self, total: u32) -> Result<u32, String> {
        Ok(self.pay(total).await? * 2)
    }
}

struct Shop;

#[async_trait]
impl Pay for Shop {
    #[enhanced_trace(name = "implemented", capture(total), err)]
    async fn pay(&self, total: u32) -> Result<u32, String> {
        tokio::task::yield_now().await;
        Some(total + 1).ok_or_else(|| "none".to_owned())
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    assert_eq!(Shop.twice(1).await, Ok(4));
    capture
        .assert_span("implemented")
        .has("total", 1)
        .is_child_of("provided");
}
