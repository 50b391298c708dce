use otel_enhance::enhanced_trace;

unsafe extern "C" {
    #[enhanced_trace]
    fn getpid() -> i32;
}

fn main() {
    let _ = unsafe { getpid() };
}
