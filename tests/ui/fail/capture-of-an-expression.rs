use otel_enhance::enhanced_trace;

struct Order {
    id: u64,
}

#[enhanced_trace(capture(order.id))]
fn pay(order: &Order) {
    let _ = order.id;
}

fn main() {
    pay(&Order { id: 1 });
}
