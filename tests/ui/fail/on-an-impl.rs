use otel_enhance::enhanced_trace;

struct Order;

#[enhanced_trace]
impl Order {
    fn pay(&self) {}
}

fn main() {
    Order.pay();
}
