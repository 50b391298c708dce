use otel_enhance::{enhanced_trace, testing};

macro_rules! handler {
    ($(#[$attr:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty $body:block, $span:literal, $kind:expr, $captured:ident) => {
        #[enhanced_trace(name = $span, kind = $kind, capture($captured), fields(doubled = $captured * 2))]
        $(#[$attr])*
        $vis fn $name($($arg: $ty),*) -> $out $body
    };
}

handler! {
    /// Documented.
    pub fn order(id: u32, total: u32) -> u32 { id + total }, "order", "server", id
}

macro_rules! traced {
    ($item:item) => {
        #[enhanced_trace(name = "whole item")]
        $item
    };
}

traced! {
    fn whole() -> u32 {
        let span = 3;
        span * 2
    }
}

macro_rules! hygienic {
    ($name:ident, $value:expr) => {
        #[enhanced_trace(name = "hygienic", ret)]
        fn $name() -> u32 {
            let output = 1;
            output + $value
        }
    };
}

hygienic!(add, 2);

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(order(1, 2), 3);
    assert_eq!(whole(), 6);
    assert_eq!(add(), 3);
    capture.assert_span("order").has("id", 1).has("doubled", 2);
    capture.assert_names(&["order", "whole item", "hygienic"]);
}
