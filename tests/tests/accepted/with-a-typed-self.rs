use otel_enhance::{enhanced_trace, testing};

use std::pin::Pin;
use std::sync::Arc;

struct Shop(u32);

impl Shop {
    #[enhanced_trace(name = "pinned", fields(number = self.0))]
    fn pinned(mut self: Pin<&mut Self>) -> u32 {
        self.0 += 1;
        self.0
    }

    #[enhanced_trace(name = "shared", fields(number = %self.0))]
    async fn shared(self: Arc<Self>) -> u32 {
        self.0
    }

    #[enhanced_trace(name = "boxed", capture(%self))]
    fn boxed(self: Box<Self>) -> u32 {
        self.0
    }
}

impl std::fmt::Display for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shop {}", self.0)
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    assert_eq!(Pin::new(&mut Shop(1)).pinned(), 2);
    assert_eq!(Arc::new(Shop(3)).shared().await, 3);
    assert_eq!(Box::new(Shop(4)).boxed(), 4);
    capture.assert_span("pinned").has("number", 1);
    capture.assert_span("shared").has("number", "3");
    capture.assert_span("boxed").has("self", "shop 4");
}
