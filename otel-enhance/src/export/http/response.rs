//! What a 2xx says about the spans.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::HeaderValue;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::super::answer;
use super::super::erased::Shared;
use super::super::log::ReportKind;
use super::super::sink::Outcome;
use super::PROTOBUF;

/// What one client has said already, and does not say again.
#[derive(Debug, Default)]
pub(super) struct Notices {
    strange_body: AtomicBool,
    strange_encoding: AtomicBool,
}

impl Notices {
    fn once(flag: &AtomicBool, shared: &Shared, message: &str) {
        if !flag.swap(true, Ordering::Relaxed) {
            shared.log.report(ReportKind::Notice, message);
        }
    }

    pub(super) fn strange_body(&self, shared: &Shared) {
        Self::once(
            &self.strange_body,
            shared,
            "the receiver answers 2xx with a body that is no OTLP response: \
             is the endpoint an OTLP receiver? Spans count as exported",
        );
    }

    pub(super) fn strange_encoding(&self, shared: &Shared) {
        Self::once(
            &self.strange_encoding,
            shared,
            "the environment asks for a compression that the code overrides, \
             and this build cannot undo it: requests stay compressed",
        );
    }
}

/// A 2xx means that the receiver has taken the request; its body may exclude some spans.
pub(super) fn outcome(
    content_type: &HeaderValue,
    body: &Bytes,
    notices: &Notices,
    shared: &Shared,
) -> Outcome {
    let Some(response) = parse(content_type, body) else {
        notices.strange_body(shared);
        return Outcome::Delivered;
    };
    answer::outcome(response, &shared.log)
}

pub(super) fn parse(
    content_type: &HeaderValue,
    body: &Bytes,
) -> Option<ExportTraceServiceResponse> {
    if body.is_empty() {
        return Some(ExportTraceServiceResponse::default());
    }
    if content_type == PROTOBUF {
        return ExportTraceServiceResponse::decode(body.clone()).ok();
    }
    #[cfg(feature = "otlp-json")]
    return parse_json(body);
    #[cfg(not(feature = "otlp-json"))]
    None
}

/// The official type reads an int64 as a number alone; in protobuf's JSON it is a string as a rule.
#[cfg(feature = "otlp-json")]
fn parse_json(body: &Bytes) -> Option<ExportTraceServiceResponse> {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
    use serde_json::Value;

    let answer: Value = serde_json::from_slice(body).ok()?;
    let partial = match answer.as_object()?.get("partialSuccess") {
        None | Some(Value::Null) => return Some(ExportTraceServiceResponse::default()),
        Some(partial) => partial.as_object()?,
    };
    let rejected_spans = match partial.get("rejectedSpans") {
        None | Some(Value::Null) => 0,
        Some(Value::String(digits)) => digits.parse().ok()?,
        Some(number) => number.as_i64()?,
    };
    let error_message = partial.get("errorMessage").and_then(Value::as_str);
    Some(ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans,
            error_message: error_message.unwrap_or_default().to_owned(),
        }),
    })
}

#[cfg(all(test, feature = "otlp-json"))]
mod tests {
    use super::*;

    #[test]
    fn json_answer_is_read_with_its_count_as_text_and_as_number() {
        let read = |text: &'static str| parse_json(&Bytes::from_static(text.as_bytes()));
        for text in [
            r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#,
            r#"{"partialSuccess":{"rejectedSpans":2,"errorMessage":"too old"}}"#,
        ] {
            let partial = read(text).unwrap().partial_success.unwrap();
            assert_eq!(partial.rejected_spans, 2);
            assert_eq!(partial.error_message, "too old");
        }
        for text in ["{}", r#"{"partialSuccess":null}"#, r#"{"unknown":[]}"#] {
            assert_eq!(read(text), Some(ExportTraceServiceResponse::default()));
        }
        for text in [
            "[]",
            "<html>",
            r#"{"partialSuccess":{"rejectedSpans":"many"}}"#,
            r#"{"partialSuccess":2}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
