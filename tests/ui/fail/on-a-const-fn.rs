use otel_enhance::enhanced_trace;

#[enhanced_trace]
const fn double(a: u64) -> u64 {
    a * 2
}

const FOUR: u64 = double(2);

fn main() {
    let _ = FOUR;
}
