//! What an accepted request's answer says about its spans.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::log::{Log, ReportKind};
use super::sink::Outcome;

/// The receiver has taken the request; its answer may exclude some spans, which are never resent.
pub(super) fn outcome(response: ExportTraceServiceResponse, log: &Log) -> Outcome {
    let Some(partial) = response.partial_success else {
        return Outcome::Delivered;
    };
    match u64::try_from(partial.rejected_spans) {
        Ok(rejected) if rejected > 0 => Outcome::Partial {
            rejected,
            message: partial.error_message,
        },
        // A message with nothing rejected is a warning, says the specification.
        _ if !partial.error_message.is_empty() => {
            log.report(
                ReportKind::Notice,
                format!("the receiver warns: {:?}", partial.error_message),
            );
            Outcome::Delivered
        }
        _ => Outcome::Delivered,
    }
}
