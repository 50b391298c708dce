use otel_enhance::{enhanced_trace, testing};

/// Pays.
#[must_use]
#[enhanced_trace(name = "pay")]
#[inline(never)]
/// Documented below, too.
#[expect(clippy::let_and_return, reason = "an example")]
#[deprecated]
pub(crate) fn pay(total: u32) -> Option<u32> {
    let paid = Some(total);
    paid
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
