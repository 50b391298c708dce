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

fn parse(content_type: &HeaderValue, body: &Bytes) -> Option<ExportTraceServiceResponse> {
    if body.is_empty() {
        return Some(ExportTraceServiceResponse::default());
    }
    if content_type == PROTOBUF {
        return ExportTraceServiceResponse::decode(body.clone()).ok();
    }
    #[cfg(feature = "otlp-json")]
    return serde_json::from_slice(body).ok();
    #[cfg(not(feature = "otlp-json"))]
    None
}
