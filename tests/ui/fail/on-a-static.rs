use otel_enhance::enhanced_trace;

#[enhanced_trace]
static LIMIT: u64 = 3;

fn main() {
    let _ = LIMIT;
}
