//! OTLP over gRPC: unary calls, framed here as in the receiver.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::http::{AGENT, by_status, partial_success};
use super::{Answer, Coding, Kind, Reply, at, printable};
use crate::config::Compression;
use crate::config::value::Endpoint;
use crate::delivery::Delivery;

const EXPORT_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Compressed flag and length.
const FRAME_HEADER: usize = 5;

pub(super) fn request(
    endpoint: &Endpoint,
    kind: Kind,
    body: Bytes,
    coding: Compression,
    timeout: Duration,
) -> Request<Full<Bytes>> {
    let mut framed = BytesMut::with_capacity(FRAME_HEADER + body.len());
    framed.put_u8(u8::from(coding != Compression::None));
    // The receiver bounds what comes in far below 4 GiB.
    framed.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    framed.put_slice(&body);
    let mut request = Request::new(Full::new(framed.freeze()));
    *request.method_mut() = http::Method::POST;
    let path = match kind {
        Kind::Frame => tracezip::GRPC_PATH,
        Kind::Protobuf | Kind::Json => EXPORT_PATH,
    };
    *request.uri_mut() = at(endpoint, path);
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, AGENT);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if let Ok(value) = format!("{}m", timeout.as_millis().min(99_999_999)).parse() {
        headers.insert("grpc-timeout", value);
    }
    let coding = match coding {
        Compression::None => None,
        Compression::Gzip => Some("gzip"),
        Compression::Zstd => Some("zstd"),
    };
    if let Some(coding) = coding {
        headers.insert("grpc-encoding", HeaderValue::from_static(coding));
    }
    request
}

pub(super) fn answer(reply: &Reply, wire_bytes: usize) -> Answer {
    let response = &reply.response;
    let status = Status::from_header_map(&reply.trailers)
        .or_else(|| Status::from_header_map(response.headers()));
    let Some(status) = status else {
        return no_status(response.status(), wire_bytes);
    };
    if status.code() == Code::Ok {
        let message = unframe(response.body().clone()).unwrap_or_default();
        let partial = ExportTraceServiceResponse::decode(message.clone())
            .ok()
            .and_then(|response| response.partial_success);
        return Answer {
            delivery: partial.map_or(Delivery::Accepted, |partial| {
                partial_success(partial.rejected_spans, &partial.error_message)
            }),
            message,
            wire_bytes,
            coding: Coding::Unsaid,
        };
    }
    Answer {
        delivery: refused(&status),
        message: Bytes::copy_from_slice(status.details()),
        wire_bytes,
        coding: match status.code() {
            Code::Unimplemented => Coding::Unknown,
            Code::InvalidArgument => Coding::Malformed,
            Code::FailedPrecondition => Coding::StateLost,
            _ => Coding::Unsaid,
        },
    }
}

/// An answer that is no gRPC: of a proxy, or of a server of something else.
fn no_status(status: StatusCode, wire_bytes: usize) -> Answer {
    let message = format!("the destination answered HTTP {status} without a gRPC status");
    let unknown = matches!(status.as_u16(), 400 | 404 | 405 | 415 | 501);
    let delivery = if status.is_success() {
        Delivery::Unavailable {
            retry_after: None,
            message,
            ambiguous: true,
        }
    } else {
        by_status(status, None, message)
    };
    Answer {
        delivery,
        message: Bytes::new(),
        wire_bytes,
        coding: if unknown {
            Coding::Unknown
        } else {
            Coding::Unsaid
        },
    }
}

/// What the OTLP specification has a sender do about a code.
fn refused(status: &Status) -> Delivery {
    let code = status.code();
    let retry_after = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    let said = match printable(status.message().trim()).as_str() {
        "" => String::new(),
        text => format!(": {text}"),
    };
    let message = format!("the destination answered {code:?}{said}");
    match code {
        Code::ResourceExhausted if retry_after.is_some() => Delivery::Busy {
            retry_after,
            message,
        },
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Delivery::Unavailable {
            ambiguous: retry_after.is_none(),
            retry_after,
            message,
        },
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
            Delivery::Unavailable {
                retry_after,
                message: format!("{message}, which is about the gateway and not about the spans"),
                ambiguous: false,
            }
        }
        Code::ResourceExhausted => rejected(StatusCode::PAYLOAD_TOO_LARGE, message),
        Code::InvalidArgument | Code::FailedPrecondition => {
            rejected(StatusCode::BAD_REQUEST, message)
        }
        _ => rejected(StatusCode::INTERNAL_SERVER_ERROR, message),
    }
}

fn rejected(status: StatusCode, message: String) -> Delivery {
    Delivery::Rejected { status, message }
}

/// The one message of a unary answer; we ask for none that is compressed.
fn unframe(mut framed: Bytes) -> Option<Bytes> {
    if framed.len() < FRAME_HEADER || framed.get_u8() != 0 {
        return None;
    }
    (framed.get_u32() as usize == framed.len()).then_some(framed)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use tonic_types::ErrorDetails;

    use super::*;

    fn delivery(status: Status) -> Delivery {
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        let reply = Reply {
            response: http::Response::new(Bytes::new()),
            trailers,
        };
        answer(&reply, 0).delivery
    }

    #[test]
    fn codes_are_sorted_as_the_specification_has_it() {
        for code in [
            Code::Cancelled,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
        ] {
            assert!(delivery(Status::new(code, "")).is_ambiguous(), "{code:?}");
        }
        for code in [
            Code::Internal,
            Code::Unknown,
            Code::InvalidArgument,
            Code::ResourceExhausted,
        ] {
            let delivery = delivery(Status::new(code, ""));
            assert!(matches!(delivery, Delivery::Rejected { .. }), "{code:?}");
        }
        for code in [Code::Unauthenticated, Code::Unimplemented] {
            assert!(matches!(
                delivery(Status::new(code, "")),
                Delivery::Unavailable {
                    ambiguous: false,
                    ..
                }
            ));
        }
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(3)));
        let busy = Status::with_error_details(Code::ResourceExhausted, "full", details);
        assert!(matches!(
            delivery(busy),
            Delivery::Busy { retry_after: Some(wait), .. } if wait.as_secs() == 3
        ));
    }

    #[test]
    fn success_without_a_status_is_no_delivery() {
        let reply = Reply {
            response: http::Response::new(Bytes::from_static(b"<html>")),
            trailers: HeaderMap::new(),
        };
        assert!(answer(&reply, 0).delivery.is_ambiguous());
    }
}
