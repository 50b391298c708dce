use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "fail")]
fn fail(why: &str) -> ! {
    panic!("{why}")
}

fn choose(number: Option<u32>) -> u32 {
    match number {
        Some(number) => number,
        None => fail("none"),
    }
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert!(std::panic::catch_unwind(|| choose(None)).is_err());
    capture.assert_names(&["fail"]);
}
