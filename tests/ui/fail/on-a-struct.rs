use otel_enhance::enhanced_trace;

#[enhanced_trace]
struct Order {
    id: u64,
}

fn main() {
    let _ = Order { id: 1 }.id;
}
