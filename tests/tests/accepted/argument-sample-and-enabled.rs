use otel_enhance::{enhanced_trace, testing};

const ON: bool = true;

fn share() -> f64 {
    1.0
}

#[enhanced_trace(name = "all", sample = 1)]
fn all() {}

#[enhanced_trace(name = "computed", sample = share())]
fn computed() {}

#[enhanced_trace(name = "none", sample = 0.0)]
fn none() {}

#[enhanced_trace(name = "off", enabled = false)]
fn off() {}

#[enhanced_trace(name = "on", enabled = ON && number > 1)]
fn on(number: u32) {
    let _ = number;
}

#[enhanced_trace(name = "moved", enabled = !text.is_empty())]
fn moved(text: String) -> String {
    text
}

pub(crate) fn main() {
    let capture = testing::capture();
    all();
    computed();
    none();
    off();
    on(1);
    on(2);
    moved(String::new());
    assert_eq!(moved("x".to_owned()), "x");
    capture.assert_names(&["all", "computed", "on", "moved"]);
}
