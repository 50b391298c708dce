use otel_enhance::enhanced_trace;

#[enhanced_trace(profile)]
fn pay(order_id: u64, total: f64) {
    let _ = (order_id, total);
}

fn main() {
    pay(1, 2.0);
}
