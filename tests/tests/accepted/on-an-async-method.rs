use otel_enhance::{enhanced_trace, testing};

struct Shop {
    paid: u32,
}

impl Shop {
    #[enhanced_trace(name = "pay", capture(total), err)]
    async fn pay(&mut self, total: u32) -> Result<&mut u32, std::num::ParseIntError> {
        let one: u32 = "1".parse()?;
        self.paid += total * one;
        Ok(&mut self.paid)
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    let mut shop = Shop { paid: 0 };
    *shop.pay(2).await.unwrap() += 1;
    assert_eq!(shop.paid, 3);
    capture.assert_span("pay").has("total", 2).status_is_unset();
}
