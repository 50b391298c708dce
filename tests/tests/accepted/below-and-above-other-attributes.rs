use otel_enhance::{enhanced_trace, testing};

/// Pays.
#[must_use]
#[enhanced_trace(name = "pay")]
#[inline(never)]
/// Documented below, too.
#[expect(clippy::unnecessary_wraps, reason = "an example")]
#[deprecated]
pub(crate) fn pay(total: u32) -> Option<u32> {
    Some(total)
}

#[enhanced_trace(name = "lints")]
fn lints() {
    #![expect(unused_variables, reason = "an inner attribute")]
    let unused = 1;
}

pub(crate) fn main() {
    let capture = testing::capture();
    #[expect(deprecated, reason = "an outer attribute")]
    let paid = pay(1);
    assert_eq!(paid, Some(1));
    lints();
    capture.assert_names(&["pay", "lints"]);
}
