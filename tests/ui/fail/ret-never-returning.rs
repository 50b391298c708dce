use otel_enhance::enhanced_trace;

#[enhanced_trace(ret)]
fn leave() -> ! {
    std::process::exit(0)
}

fn main() {
    leave();
}
