use otel_enhance::{enhanced_trace, testing};

struct Shop(u32);

impl Shop {
    const FIRST: u32 = 7;

    #[enhanced_trace(name = "open", fields(first = Self::FIRST))]
    fn open() -> Self {
        Self(Self::FIRST)
    }
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(Shop::open().0, 7);
    capture.assert_span("open").has("first", 7);
}
