use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "raw", capture(r#type), fields(r#match, r#fn.r#in = 3))]
fn r#raw(r#type: u32, r#match: &str) -> u32 {
    r#type + r#match.len() as u32
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(raw(1, "ab"), 3);
    capture
        .assert_span("raw")
        .has("type", 1)
        .has("match", "ab")
        .has("fn.in", 3);
}
