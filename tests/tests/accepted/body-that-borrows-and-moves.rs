use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "move", ret(Debug), fields(length = text.len()))]
fn consume(text: String, numbers: &mut Vec<u32>) -> Vec<u32> {
    numbers.push(text.len() as u32);
    let moved = text;
    drop(moved);
    std::mem::take(numbers)
}

#[enhanced_trace(name = "async move", capture(text))]
async fn consume_later(text: String, numbers: &mut Vec<u32>) -> String {
    numbers.push(1);
    text
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let capture = testing::capture();
    let mut numbers = vec![];
    assert_eq!(consume("ab".to_owned(), &mut numbers), [2]);
    assert_eq!(consume_later("ab".to_owned(), &mut numbers).await, "ab");
    capture
        .assert_span("move")
        .has("length", 2)
        .has("return", "[2]");
    capture.assert_span("async move").has("text", "ab");
}
