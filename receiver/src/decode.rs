//! From bytes to the decoded message.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::budget::Charge;
use crate::estimate;
use crate::json;
use crate::limits::Limits;
use crate::outcome::Refusal;
use crate::request::ContentType;

/// Decodes `body`, if its decoded form is within the limits.
pub(crate) fn decode(
    content_type: ContentType,
    body: &Bytes,
    limits: &Limits,
    charge: &mut Charge,
) -> Result<ExportTraceServiceRequest, Refusal> {
    let estimate = match content_type {
        ContentType::Protobuf => estimate::protobuf(body),
        ContentType::Json => estimate::json(body),
    };
    if estimate > limits.max_decoded_bytes {
        return Err(Refusal::too_large(
            "the decoded message",
            limits.max_decoded_bytes,
        ));
    }
    charge
        .grow(estimate)
        .map_err(|_| Refusal::busy("the receiver is out of memory for requests"))?;
    match content_type {
        ContentType::Protobuf => ExportTraceServiceRequest::decode(body.clone())
            .map_err(|error| malformed("protobuf", &error)),
        ContentType::Json => json::decode(body).map_err(|error| malformed("OTLP/JSON", &error)),
    }
}

fn malformed(notation: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::malformed(format!(
        "the body is no ExportTraceServiceRequest in {notation}: {error}"
    ))
}
