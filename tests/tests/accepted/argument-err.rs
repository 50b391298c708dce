use otel_enhance::{enhanced_trace, testing};

#[derive(Debug)]
struct Failed;

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it failed")
    }
}

type Outcome<T> = Result<T, Failed>;

#[enhanced_trace(name = "display", err)]
fn display() -> Outcome<()> {
    Err(Failed)
}

#[enhanced_trace(name = "debug", err(Debug))]
fn debug() -> Result<(), Failed> {
    Err(Failed)
}

#[enhanced_trace(name = "quiet", err(exception = false))]
fn quiet() -> Result<(), Failed> {
    Err(Failed)
}

#[enhanced_trace(name = "boxed", err)]
fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Err("boxed failed")?
}

pub(crate) fn main() {
    let capture = testing::capture();
    let _ = (display(), debug(), quiet(), boxed());
    capture.assert_span("display").failed_with("it failed");
    capture.assert_span("debug").failed_with("Failed");
    capture.assert_span("quiet").failed_with("it failed");
    capture.assert_span("boxed").failed_with("boxed failed");
    let events: Vec<usize> = capture
        .spans()
        .iter()
        .map(|span| span.events.len())
        .collect();
    assert_eq!(events, [1, 1, 0, 1]);
}
