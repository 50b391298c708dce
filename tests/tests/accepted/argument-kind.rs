use otel_enhance::{enhanced_trace, testing};

use otel_enhance::trace::SpanKind;

#[enhanced_trace(name = "literal", kind = "server")]
fn literal() {}

#[enhanced_trace(name = "word", kind = client)]
fn word() {}

#[enhanced_trace(name = "path", kind = SpanKind::Producer)]
fn path() {}

#[enhanced_trace(name = "whole path", kind = otel_enhance::trace::SpanKind::Consumer)]
fn whole_path() {}

pub(crate) fn main() {
    let capture = testing::capture();
    literal();
    word();
    path();
    whole_path();
    capture.assert_span("literal").is_kind(SpanKind::Server);
    capture.assert_span("word").is_kind(SpanKind::Client);
    capture.assert_span("path").is_kind(SpanKind::Producer);
    capture
        .assert_span("whole path")
        .is_kind(SpanKind::Consumer);
}
