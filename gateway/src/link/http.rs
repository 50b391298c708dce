//! OTLP over HTTP.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic_types::Status;

use super::{Answer, Coding, Kind, Reply, printable};
use crate::config::Compression;
use crate::config::value::Endpoint;
use crate::delivery::Delivery;

pub(super) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("otel-enhance-gateway/", env!("CARGO_PKG_VERSION")));
const PROTOBUF: &str = "application/x-protobuf";

pub(super) fn request(
    endpoint: &Endpoint,
    kind: Kind,
    body: Bytes,
    coding: Compression,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = endpoint.uri.clone();
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, AGENT);
    let content_type = match kind {
        Kind::Json => "application/json",
        Kind::Protobuf | Kind::Frame => PROTOBUF,
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let coding = match (kind, coding) {
        (Kind::Frame, _) => Some(tracezip::CONTENT_CODING),
        (_, Compression::None) => None,
        (_, Compression::Gzip) => Some("gzip"),
        (_, Compression::Zstd) => Some("zstd"),
    };
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    request
}

pub(super) fn answer(reply: &Reply, wire_bytes: usize) -> Answer {
    let response = &reply.response;
    let status = response.status();
    let delivery = if status.is_success() {
        accepted(response.headers(), response.body())
    } else {
        refused(status, response.headers(), response.body())
    };
    Answer {
        delivery,
        message: response.body().clone(),
        wire_bytes,
        coding: match status.as_u16() {
            404 | 405 | 415 | 501 => Coding::Unknown,
            400 => Coding::Malformed,
            409 => Coding::StateLost,
            _ => Coding::Unsaid,
        },
    }
}

/// A success, whole or partial. What cannot be read is taken for a whole one: the status counts.
fn accepted(headers: &HeaderMap, body: &Bytes) -> Delivery {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let partial = match content_type {
        Some(name) if name.starts_with(PROTOBUF.as_bytes()) => {
            ExportTraceServiceResponse::decode(body.clone())
                .ok()
                .and_then(|response| response.partial_success)
                .map(|partial| (partial.rejected_spans, partial.error_message))
        }
        Some(name) if name.starts_with(b"application/json") => json_partial(body),
        _ => None,
    };
    partial.map_or(Delivery::Accepted, |(rejected, message)| {
        partial_success(rejected, &message)
    })
}

fn json_partial(body: &[u8]) -> Option<(i64, String)> {
    let response: serde_json::Value = serde_json::from_slice(body).ok()?;
    let partial = response.get("partialSuccess")?;
    let rejected = partial.get("rejectedSpans").and_then(|rejected| {
        // An int64 is a string in protobuf's JSON, and a number with many.
        rejected
            .as_i64()
            .or_else(|| rejected.as_str()?.parse().ok())
    });
    let message = partial
        .get("errorMessage")
        .and_then(serde_json::Value::as_str);
    Some((
        rejected.unwrap_or_default(),
        message.unwrap_or_default().to_owned(),
    ))
}

pub(super) fn partial_success(rejected: i64, message: &str) -> Delivery {
    let rejected = u64::try_from(rejected).unwrap_or_default();
    if rejected == 0 && message.is_empty() {
        return Delivery::Accepted;
    }
    Delivery::Partial {
        rejected,
        message: printable(message),
    }
}

fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Delivery {
    let said = said(headers, body);
    let message = format!("the destination answered {status}{said}");
    let retry_after = headers
        .get(RETRY_AFTER)
        .and_then(|value| wait(value.to_str().ok()?));
    by_status(status, retry_after, message)
}

/// What an OTLP sender does about a status: 429, 502, 503 and 504 are tried again, the rest is not,
/// except where it is the gateway that is refused: that is no fault of the sender's spans.
pub(super) fn by_status(
    status: StatusCode,
    retry_after: Option<Duration>,
    message: String,
) -> Delivery {
    match status.as_u16() {
        429 => Delivery::Busy {
            retry_after,
            message,
        },
        // A proxy may have said it after passing the request on. `Retry-After` says that it has not.
        502..=504 => Delivery::Unavailable {
            ambiguous: retry_after.is_none(),
            retry_after,
            message,
        },
        300..=399 | 401 | 403 | 404 | 407 => Delivery::Unavailable {
            retry_after,
            message: format!("{message}, which is about the gateway and not about the spans"),
            ambiguous: false,
        },
        _ => Delivery::Rejected { status, message },
    }
}

/// Seconds or a date.
fn wait(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(
        date.duration_since(SystemTime::now())
            .unwrap_or(Duration::ZERO),
    )
}

/// The message of a refusal.
fn said(headers: &HeaderMap, body: &[u8]) -> String {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let text = if content_type.starts_with(PROTOBUF) {
        Status::decode(body)
            .map(|status| status.message)
            .unwrap_or_default()
    } else if content_type.starts_with("application/json") {
        serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .and_then(|status| status.get("message")?.as_str().map(str::to_owned))
            .unwrap_or_default()
    } else if content_type.starts_with("text/plain") {
        String::from_utf8_lossy(body).into_owned()
    } else {
        String::new()
    };
    match printable(text.trim()).as_str() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(status: u16, headers: &[(&'static str, &str)], body: &'static [u8]) -> Delivery {
        let mut response = http::Response::new(Bytes::from_static(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        let reply = Reply {
            response,
            trailers: HeaderMap::new(),
        };
        answer(&reply, 0).delivery
    }

    #[test]
    fn successes_are_read_for_what_was_rejected() {
        let json = [("content-type", "application/json")];
        assert_eq!(delivery(200, &[], b"<html>"), Delivery::Accepted);
        assert_eq!(delivery(202, &json, b"{}"), Delivery::Accepted);
        let body = br#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"a\nb"}}"#;
        let expected = Delivery::Partial {
            rejected: 2,
            message: "a b".to_owned(),
        };
        assert_eq!(delivery(200, &json, body), expected);
        let protobuf = [("content-type", "application/x-protobuf")];
        let body = b"\x0a\x07\x08\x02\x12\x03a\nb";
        assert_eq!(delivery(200, &protobuf, body), expected);
        assert_eq!(delivery(200, &protobuf, b"\xff"), Delivery::Accepted);
    }

    #[test]
    fn refusals_are_sorted_by_who_can_do_something_about_them() {
        for status in [502, 503, 504] {
            assert!(delivery(status, &[], b"").is_ambiguous(), "{status}");
            assert!(!delivery(status, &[("retry-after", "3")], b"").is_ambiguous());
        }
        for status in [301, 401, 403, 404] {
            let delivery = delivery(status, &[], b"");
            assert!(matches!(delivery, Delivery::Unavailable { .. }), "{status}");
            assert!(!delivery.is_ambiguous());
        }
        for status in [400, 413, 415, 422, 500, 501] {
            let delivery = delivery(status, &[], b"");
            assert!(matches!(delivery, Delivery::Rejected { .. }), "{status}");
        }
        let busy = delivery(429, &[("retry-after", "7")], b"");
        assert!(
            matches!(busy, Delivery::Busy { retry_after: Some(wait), .. } if wait.as_secs() == 7)
        );
        let date = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(60));
        let busy = delivery(429, &[("retry-after", &date)], b"");
        assert!(matches!(busy, Delivery::Busy { retry_after: Some(wait), .. } if wait.is_zero()));
    }
}
