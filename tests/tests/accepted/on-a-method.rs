use otel_enhance::{enhanced_trace, testing};

struct Shop {
    paid: u32,
}

impl Shop {
    #[enhanced_trace(name = "pay", capture(total))]
    fn pay(&mut self, total: u32) -> &mut Self {
        self.paid += total;
        self
    }

    #[enhanced_trace(name = "close")]
    fn close(self) -> u32 {
        self.paid
    }
}

pub(crate) fn main() {
    let capture = testing::capture();
    let mut shop = Shop { paid: 0 };
    shop.pay(1).pay(2);
    assert_eq!(shop.close(), 3);
    capture.assert_names(&["pay", "pay", "close"]);
}
