use otel_enhance::enhanced_trace;

#[enhanced_trace(err)]
async fn find(id: u64) -> u64 {
    id
}

fn main() {
    drop(find(1));
}
