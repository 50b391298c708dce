use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(
    name = "pay",
    kind = "server",
    tracer = "shop",
    fields(order.total = total),
    capture(id),
    err(Debug, exception = false),
    ret(Debug),
    root,
    links = [] as [otel_enhance::trace::SpanContext; 0],
    code = false,
    sample = 1.0,
    enabled = true,
    crate = ::otel_enhance,
)]
fn pay(id: u32, total: f64) -> Result<f64, String> {
    if total < 0.0 {
        Err("negative".to_owned())
    } else {
        Ok(total * f64::from(id))
    }
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(pay(2, 1.5), Ok(3.0));
    capture
        .assert_span("pay")
        .has("id", 2)
        .has("order.total", 1.5)
        .has("return", "3.0");
}
