use otel_enhance::enhanced_trace;

#[enhanced_trace(capture(user))]
fn pay() {}

fn main() {
    pay();
}
