use otel_enhance::enhanced_trace;

#[enhanced_trace(err)]
fn find(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {
    let _ = find(1);
}
