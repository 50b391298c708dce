use otel_enhance::{enhanced_trace, testing};

use otel_enhance::Context;

struct Request {
    context: Context,
}

#[enhanced_trace(name = "request")]
fn accept() -> Request {
    Request {
        context: Context::current(),
    }
}

#[enhanced_trace(name = "work", parent = &request.context)]
fn work(request: &Request) {
    let _ = request;
}

pub(crate) fn main() {
    let capture = testing::capture();
    work(&accept());
    capture.assert_span("work").is_child_of("request");
}
