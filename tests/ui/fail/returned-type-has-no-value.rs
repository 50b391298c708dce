use otel_enhance::enhanced_trace;

struct Order;

#[enhanced_trace(ret)]
fn order() -> Order {
    Order
}

fn main() {
    order();
}
