use otel_enhance::{enhanced_trace, testing};

trait Pay {
    fn pay(&self, total: u32) -> u32;

    #[enhanced_trace(name = "provided")]
    fn twice(&self, total: u32) -> u32 {
        self.pay(total) * 2
    }
}

struct Shop;

impl Pay for Shop {
    #[enhanced_trace(name = "implemented")]
    fn pay(&self, total: u32) -> u32 {
        total + 1
    }
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(Shop.twice(1), 4);
    capture.assert_span("implemented").is_child_of("provided");
}
