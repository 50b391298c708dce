use otel_enhance::enhanced_trace;

#[enhanced_trace(err(debug))]
fn find(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {
    let _ = find(1);
}
