use otel_enhance::enhanced_trace;

struct Order;

#[enhanced_trace(capture(order))]
fn pay(order: Order) {
    drop(order);
}

fn main() {
    pay(Order);
}
