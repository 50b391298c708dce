use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "fibonacci", capture(n))]
fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        n
    } else {
        fibonacci(n - 1) + fibonacci(n - 2)
    }
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(fibonacci(3), 2);
    assert_eq!(capture.spans().len(), 5);
}
