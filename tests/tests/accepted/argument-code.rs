use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "with")]
fn with() {}

#[enhanced_trace(name = "without", code = false)]
fn without() {}

#[enhanced_trace(name = "own", code = false, fields(code.line.number = 3))]
fn own() {}

pub(crate) fn main() {
    let capture = testing::capture();
    with();
    without();
    own();
    assert!(
        capture
            .assert_span("with")
            .attribute("code.function.name")
            .is_some()
    );
    capture
        .assert_span("without")
        .lacks("code.function.name")
        .lacks("code.line.number");
    capture.assert_span("own").has("code.line.number", 3);
}
