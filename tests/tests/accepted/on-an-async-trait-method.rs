use otel_enhance::{enhanced_trace, testing};

trait Pay {
    async fn pay(&self, total: u32) -> u32;
}

struct Shop;

impl Pay for Shop {
    #[enhanced_trace(name = "pay")]
    async fn pay(&self, total: u32) -> u32 {
        total + 1
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    assert_eq!(Shop.pay(1).await, 2);
    capture.assert_names(&["pay"]);
}
