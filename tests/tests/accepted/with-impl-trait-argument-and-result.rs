use otel_enhance::{enhanced_trace, testing};

use std::fmt::Display;

#[enhanced_trace(name = "join", fields(first = %first), ret(Debug))]
fn join(first: impl Display, rest: impl IntoIterator<Item = u32>) -> String {
    rest.into_iter()
        .fold(first.to_string(), |all, next| format!("{all},{next}"))
}

#[enhanced_trace(name = "evens")]
fn evens(limit: u32) -> impl Iterator<Item = u32> + Clone {
    (0..limit).filter(|n| n % 2 == 0)
}

/// That the lifetimes are one is known from the signature alone.
#[enhanced_trace(name = "same")]
fn same() -> impl for<'a> Fn(&'a str) -> &'a str {
    |text| text
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(join(1, evens(5)), "1,0,2,4");
    assert_eq!(same()("x"), "x");
    capture.assert_span("join").has("first", "1");
    capture.assert_names(&["evens", "join", "same"]);
}
