use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "outer")]
fn outer() -> u32 {
    #[enhanced_trace(name = "inner")]
    fn inner() -> u32 {
        1
    }

    struct Local;
    impl Local {
        #[enhanced_trace(name = "method")]
        fn method(&self) -> u32 {
            2
        }
    }
    inner() + Local.method()
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(outer(), 3);
    capture.assert_names(&["inner", "method", "outer"]);
}
