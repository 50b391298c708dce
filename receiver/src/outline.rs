//! Whether bytes have the outline of an export request, told without decoding them.
//!
//! Resources, scopes and spans are walked through; what is in a span's fields is not looked at.

use crate::outcome::Refusal;

/// The messages that hold others down to the span, and how a span is reached from each.
#[derive(Clone, Copy)]
enum Level {
    Request,
    Resource,
    Scope,
    Span,
}

impl Level {
    /// The level of the messages in a field.
    fn below(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Request, 1) => Some(Self::Resource),
            (Self::Resource, 2) => Some(Self::Scope),
            (Self::Scope, 2) => Some(Self::Span),
            _ => None,
        }
    }
}

/// The number of spans in a request.
pub(crate) fn spans(body: &[u8]) -> Result<usize, Refusal> {
    walk(body, Level::Request).ok_or_else(|| {
        Refusal::malformed("the body is no ExportTraceServiceRequest in protobuf: it breaks off")
    })
}

/// `None` if the bytes are no message.
fn walk(mut body: &[u8], level: Level) -> Option<usize> {
    let mut spans = usize::from(matches!(level, Level::Span));
    while !body.is_empty() {
        let tag = varint(&mut body)?;
        let below = level.below(tag >> 3);
        if tag >> 3 == 0 || (below.is_some() && tag & 7 != 2) {
            return None;
        }
        match tag & 7 {
            0 => {
                varint(&mut body)?;
            }
            1 => {
                take(&mut body, 8)?;
            }
            2 => {
                let length = varint(&mut body)?;
                let inner = take(&mut body, length)?;
                if let Some(below) = below {
                    spans += walk(inner, below)?;
                }
            }
            5 => {
                take(&mut body, 4)?;
            }
            // Groups do not occur in OTLP.
            _ => return None,
        }
    }
    Some(spans)
}

fn varint(body: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = body.split_first()?;
        *body = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(body: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
    *body = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;

    fn request(resources: usize, scopes: usize, spans: usize) -> Vec<u8> {
        let span = Span {
            name: "a span".to_owned(),
            start_time_unix_nano: 1,
            ..Span::default()
        };
        let scope = ScopeSpans {
            spans: vec![span; spans],
            ..ScopeSpans::default()
        };
        let resource = ResourceSpans {
            scope_spans: vec![scope; scopes],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![resource; resources],
        }
        .encode_to_vec()
    }

    #[test]
    fn spans_of_every_resource_and_scope_are_counted() {
        assert_eq!(spans(&[]), Ok(0));
        assert_eq!(spans(&request(1, 1, 1)), Ok(1));
        assert_eq!(spans(&request(2, 3, 4)), Ok(24));
    }

    #[test]
    fn bytes_that_prost_refuses_for_their_structure_are_malformed() {
        let whole = request(1, 1, 1);
        for end in 1..whole.len() {
            assert!(ExportTraceServiceRequest::decode(&whole[..end]).is_err());
            assert!(spans(&whole[..end]).is_err(), "{end}");
        }
        for garbage in [&b"{}"[..], b"\x07", b"not protobuf", &[0; 8], &[0xff; 32]] {
            assert!(spans(garbage).is_err(), "{garbage:?}");
        }
    }
}
