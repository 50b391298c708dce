//! OTLP/HTTP: routes, headers, and the form of answers.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;

use crate::body;
use crate::budget::Charge;
use crate::coding::{self, Encoding};
use crate::hook::{RawReply, RawRequest, Verdict};
use crate::limits::Limits;
use crate::outcome::{GrpcCode, Refusal, Success};
use crate::reply::{ReplyBody, full, whole_seconds};
use crate::request::{ContentType, RequestHead};
use crate::service::Shared;

/// Where traces are posted.
pub(crate) const TRACES_PATH: &str = "/v1/traces";

/// Answers one request.
pub(crate) async fn serve<B>(shared: &Shared, head: RequestHead, mut body: B) -> Response<ReplyBody>
where
    B: Body + Unpin,
    B::Error: std::fmt::Display,
{
    let expects = head.headers.contains_key(EXPECT);
    let content_type = ContentType::from_headers(&head.headers);
    let answer = answer(shared, head, content_type, &mut body).await;
    let response = match answer {
        Ok(response) => response,
        Err(refusal) => refused(&refusal, content_type),
    };
    // A client that waits for `100 Continue` has sent nothing yet.
    if !expects {
        body::drain(body, shared.limits.max_body_bytes).await;
    }
    response
}

async fn answer<B>(
    shared: &Shared,
    head: RequestHead,
    content_type: Option<ContentType>,
    body: &mut B,
) -> Result<Response<ReplyBody>, Refusal>
where
    B: Body + Unpin,
    B::Error: std::fmt::Display,
{
    match shared.inspect(&head).await? {
        Verdict::Continue => {}
        Verdict::Refuse(refusal) => return Err(refusal),
        Verdict::Reply(response) => return Ok(response.map(full)),
        Verdict::Take => return raw(shared, head, content_type, body).await,
    }
    if head.path != TRACES_PATH {
        return Err(Refusal::from_http_status(
            StatusCode::NOT_FOUND,
            format!(
                "nothing is served at {}: traces go to {TRACES_PATH}",
                head.path
            ),
        ));
    }
    if head.method != Method::POST {
        return Err(Refusal::from_http_status(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{} is not allowed here: use POST", head.method),
        )
        .with_header(ALLOW, HeaderValue::from_static("POST")));
    }
    let content_type = content_type.ok_or_else(|| unsupported_type(&head.headers))?;
    #[cfg(feature = "tracezip")]
    if let Some(shards) = shared.tracezip()
        && content_type == ContentType::Protobuf
        && is_frame(&head.headers)
    {
        let (frame, charge) = collected(shared, body).await?;
        let success = shared.export_frame(shards, head, frame, charge).await?;
        return Ok(succeeded(&success, content_type));
    }
    let encoding = encoding(shared, &head.headers)?;

    let (wire, mut charge) = collected(shared, body).await?;
    let wire_size = wire.len();
    let limit = shared.limits.max_decompressed_bytes;
    let whole = coding::decompress(encoding, wire, limit, &mut charge).await?;
    let success = shared
        .export(head, content_type, encoding, wire_size, whole, charge)
        .await?;
    Ok(succeeded(&success, content_type))
}

/// The whole body of a request, and what it is charged to.
async fn collected<B>(shared: &Shared, body: &mut B) -> Result<(Bytes, Charge), Refusal>
where
    B: Body + Unpin,
    B::Error: std::fmt::Display,
{
    let mut charge = shared.budget.charge();
    let Limits {
        max_body_bytes,
        read_timeout,
        ..
    } = shared.limits;
    let body = body::collect(body, max_body_bytes, 0, read_timeout, &mut charge).await?;
    Ok((body, charge))
}

/// A request that the hook has taken.
async fn raw<B>(
    shared: &Shared,
    head: RequestHead,
    content_type: Option<ContentType>,
    body: &mut B,
) -> Result<Response<ReplyBody>, Refusal>
where
    B: Body + Unpin,
    B::Error: std::fmt::Display,
{
    // Charged until it is answered.
    let (body, _charge) = collected(shared, body).await?;
    let reply = shared
        .hook_handle(RawRequest {
            head,
            body,
            compressed: false,
        })
        .await?;
    Ok(match reply {
        RawReply::Message(message) => message_response(message, ContentType::Protobuf),
        RawReply::Response(response) => response.map(full),
        RawReply::Outcome(outcome) => succeeded(
            &outcome.into_result()?,
            content_type.unwrap_or(ContentType::Protobuf),
        ),
    })
}

/// Whether the body is a frame of tracezip and nothing else.
#[cfg(feature = "tracezip")]
fn is_frame(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    let coding = crate::tracezip::CONTENT_CODING.as_bytes();
    first.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(coding))
        && values.next().is_none()
}

/// Every coding understood, for `Accept-Encoding`.
fn accepted(shared: &Shared) -> &'static str {
    #[cfg(feature = "tracezip")]
    if shared.tracezip().is_some() {
        return coding::ACCEPTED_WITH_TRACEZIP;
    }
    let _ = shared;
    coding::ACCEPTED
}

fn encoding(shared: &Shared, headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let accepted = accepted(shared);
    let unsupported = |name: &str| {
        Refusal::from_http_status(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content encoding `{name}` is not supported: use one of {accepted}"),
        )
        .with_header(ACCEPT_ENCODING, HeaderValue::from_static(accepted))
    };
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else {
        return Ok(Encoding::Identity);
    };
    let name = String::from_utf8_lossy(value.as_bytes());
    match Encoding::from_name(&name) {
        Some(encoding) if values.next().is_none() => Ok(encoding),
        // Codings over codings are legal in HTTP, and no OTLP sender makes them.
        _ => Err(unsupported(&name)),
    }
}

fn unsupported_type(headers: &HeaderMap) -> Refusal {
    let given = headers.get(CONTENT_TYPE).map_or_else(
        || "no content type".to_owned(),
        |value| {
            format!(
                "content type `{}`",
                String::from_utf8_lossy(value.as_bytes())
            )
        },
    );
    Refusal::from_http_status(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("{given} is not supported: use application/x-protobuf or application/json"),
    )
}

fn succeeded(success: &Success, content_type: ContentType) -> Response<ReplyBody> {
    let message = match content_type {
        ContentType::Protobuf => message(success).into(),
        ContentType::Json => json(success).into(),
    };
    message_response(message, content_type)
}

/// The protobuf message of a success.
pub(crate) fn message(success: &Success) -> Vec<u8> {
    let mut message = ExportTraceServiceResponse {
        partial_success: success
            .partial
            .as_ref()
            .map(
                |(rejected_spans, error_message)| ExportTracePartialSuccess {
                    rejected_spans: *rejected_spans,
                    error_message: error_message.clone(),
                },
            ),
    }
    .encode_to_vec();
    message.extend_from_slice(&success.answer);
    message
}

/// The same in JSON, where an int64 is a string.
fn json(success: &Success) -> String {
    match &success.partial {
        None => "{}".to_owned(),
        Some((rejected_spans, error_message)) => serde_json::json!({
            "partialSuccess": {
                "rejectedSpans": rejected_spans.to_string(),
                "errorMessage": error_message,
            }
        })
        .to_string(),
    }
}

fn message_response(message: Bytes, content_type: ContentType) -> Response<ReplyBody> {
    let mut response = Response::new(full(message));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static(content_type.as_str()),
    );
    response
}

/// An error: a `google.rpc.Status` in the notation of the request, or text for whoever sent none
/// that we know.
fn refused(refusal: &Refusal, content_type: Option<ContentType>) -> Response<ReplyBody> {
    let (body, notation): (Bytes, &'static str) = match content_type {
        Some(ContentType::Protobuf) => {
            let status = tonic_types::Status {
                code: code_number(refusal.code),
                message: refusal.message.clone(),
                details: Vec::new(),
            };
            let mut message = status.encode_to_vec();
            message.extend_from_slice(&refusal.answer);
            (message.into(), ContentType::Protobuf.as_str())
        }
        Some(ContentType::Json) => {
            let status = serde_json::json!({
                "code": code_number(refusal.code),
                "message": refusal.message,
            });
            (status.to_string().into(), ContentType::Json.as_str())
        }
        None => (
            format!("{}\n", refusal.message).into(),
            "text/plain; charset=utf-8",
        ),
    };
    let mut response = Response::new(full(body));
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(notation));
    if let Some(delay) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(delay)));
    }
    for (name, value) in &refusal.headers {
        headers.insert(name.clone(), value.clone());
    }
    response
}

fn code_number(code: GrpcCode) -> i32 {
    code as i32
}
