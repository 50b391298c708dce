use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "outer", capture(name))]
async fn outer(name: String) -> usize {
    tokio::task::yield_now().await;
    inner(&name).await
}

#[enhanced_trace(name = "inner")]
async fn inner(name: &str) -> usize {
    tokio::task::yield_now().await;
    name.len()
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    assert_eq!(outer("ab".to_owned()).await, 2);
    capture.assert_span("outer").has("name", "ab").is_root();
    capture.assert_span("inner").is_child_of("outer");
}
