//! OTLP/gRPC: unary calls, framed here so that both transports share one set of limits.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use tonic::metadata::MetadataMap;
use tonic_types::{ErrorDetails, StatusExt};

use crate::body;
use crate::coding::{self, Encoding};
use crate::hook::{RawReply, RawRequest, Verdict};
use crate::http_front::message;
use crate::outcome::{GrpcCode, Refusal};
use crate::reply::{ReplyBody, full, with_trailers};
use crate::request::{ContentType, RequestHead};
use crate::service::Shared;

/// The one method of the trace service.
pub(crate) const EXPORT_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Compressed flag and length.
const FRAME_HEADER: usize = 5;

const GRPC_ENCODING: &str = "grpc-encoding";
const GRPC_ACCEPT_ENCODING: &str = "grpc-accept-encoding";
const GRPC_STATUS: &str = "grpc-status";
const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip,zstd,deflate,identity");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Answers one call.
pub(crate) async fn serve<B>(shared: &Shared, head: RequestHead, mut body: B) -> Response<ReplyBody>
where
    B: Body + Unpin,
    B::Error: std::fmt::Display,
{
    let response = match not_grpc(&head) {
        Some(response) => response,
        None => answer(shared, head, &mut body)
            .await
            .unwrap_or_else(refused),
    };
    body::drain(body, shared.limits.max_body_bytes).await;
    response
}

/// What is no gRPC at all is answered in plain HTTP, as gRPC's own specification has it.
fn not_grpc(head: &RequestHead) -> Option<Response<ReplyBody>> {
    let (status, text) = if head.method != Method::POST {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            "gRPC is spoken here: use POST\n",
        )
    } else if !head
        .header(CONTENT_TYPE.as_str())
        .is_some_and(is_grpc_content_type)
    {
        (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "gRPC is spoken here: the content type is application/grpc\n",
        )
    } else {
        return None;
    };
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(http::header::ALLOW, HeaderValue::from_static("POST"));
    }
    Some(response)
}

fn is_grpc_content_type(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or(value).trim();
    essence.eq_ignore_ascii_case("application/grpc")
        || essence.eq_ignore_ascii_case("application/grpc+proto")
}

async fn answer<B>(
    shared: &Shared,
    head: RequestHead,
    body: &mut B,
) -> Result<Response<ReplyBody>, Refusal>
where
    B: Body + Unpin,
    B::Error: std::fmt::Display,
{
    let takes = match shared.inspect(&head).await? {
        Verdict::Continue => false,
        Verdict::Refuse(refusal) => return Err(refusal),
        Verdict::Reply(response) => return Ok(response.map(full)),
        Verdict::Take => true,
    };
    #[cfg(feature = "tracezip")]
    let shards = shared
        .tracezip()
        .filter(|_| !takes && head.path == crate::tracezip::GRPC_PATH);
    #[cfg(feature = "tracezip")]
    let is_frame = shards.is_some();
    #[cfg(not(feature = "tracezip"))]
    let is_frame = false;
    if !takes && !is_frame && head.path != EXPORT_PATH {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            GrpcCode::Unimplemented,
            format!(
                "nothing is served at {}: traces go to {EXPORT_PATH}",
                head.path
            ),
        ));
    }
    let encoding = if takes {
        Encoding::Identity
    } else {
        encoding(&head.headers)?
    };

    let mut charge = shared.budget.charge();
    let limits = &shared.limits;
    let framed = body::collect(
        body,
        limits.max_body_bytes,
        FRAME_HEADER,
        limits.read_timeout,
        &mut charge,
    )
    .await?;
    let (compressed, wire) = unframe(framed)?;
    if takes {
        let reply = shared
            .hook_handle(RawRequest {
                head,
                body: wire,
                compressed,
            })
            .await?;
        return Ok(match reply {
            RawReply::Message(message) => succeeded(&message),
            RawReply::Response(response) => response.map(full),
            RawReply::Outcome(outcome) => succeeded(&message(&outcome.into_result()?)),
        });
    }
    #[cfg(feature = "tracezip")]
    if let Some(shards) = shards {
        if compressed {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                GrpcCode::Unimplemented,
                "a frame of tracezip is not compressed once more",
            ));
        }
        let success = shared.export_frame(shards, head, wire, charge).await?;
        return Ok(succeeded(&message(&success)));
    }
    let encoding = match (compressed, encoding) {
        (false, _) => Encoding::Identity,
        (true, Encoding::Identity) => {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                GrpcCode::Internal,
                "the message is marked as compressed, and no grpc-encoding says how",
            ));
        }
        (true, encoding) => encoding,
    };
    let wire_size = wire.len();
    let whole =
        coding::decompress(encoding, wire, limits.max_decompressed_bytes, &mut charge).await?;
    let success = shared
        .export(
            head,
            ContentType::Protobuf,
            encoding,
            wire_size,
            whole,
            charge,
        )
        .await?;
    Ok(succeeded(&message(&success)))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let Some(value) = headers.get(GRPC_ENCODING) else {
        return Ok(Encoding::Identity);
    };
    let name = String::from_utf8_lossy(value.as_bytes());
    Encoding::from_name(&name).ok_or_else(|| {
        Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            GrpcCode::Unimplemented,
            format!(
                "grpc-encoding `{name}` is not supported: use one of {}",
                coding::ACCEPTED
            ),
        )
    })
}

/// Takes the one message of a unary call out of its frame.
fn unframe(mut framed: Bytes) -> Result<(bool, Bytes), Refusal> {
    if framed.len() < FRAME_HEADER {
        return Err(Refusal::malformed(
            "a unary call carries one message, and this one has none",
        ));
    }
    let compressed = match framed.get_u8() {
        0 => false,
        1 => true,
        flag => {
            return Err(Refusal::malformed(format!(
                "a frame begins with 0 or 1, and this one with {flag}"
            )));
        }
    };
    let announced = framed.get_u32() as usize;
    if announced != framed.len() {
        return Err(Refusal::malformed(format!(
            "the frame announces a message of {announced} bytes, and {} follow",
            framed.len()
        )));
    }
    Ok((compressed, framed))
}

fn succeeded(message: &[u8]) -> Response<ReplyBody> {
    let mut framed = BytesMut::with_capacity(FRAME_HEADER + message.len());
    framed.put_u8(0);
    // Our answers are far from 4 GiB; a hook's that is not gets no frame that lies.
    let Ok(length) = u32::try_from(message.len()) else {
        return refused(Refusal::from_http_status(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer is too long for a gRPC frame",
        ));
    };
    framed.put_u32(length);
    framed.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    let mut response = Response::new(with_trailers(framed.freeze(), trailers));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(GRPC_ACCEPT_ENCODING, ACCEPTED);
    response
}

fn refused(refusal: Refusal) -> Response<ReplyBody> {
    let mut headers = HeaderMap::new();
    for (name, value) in refusal.headers {
        headers.insert(name, value);
    }
    let metadata = MetadataMap::from_headers(headers);
    let details = match refusal.retry_after {
        Some(delay) => ErrorDetails::with_retry_info(Some(delay)),
        None => ErrorDetails::new(),
    };
    let mut status = tonic::Status::with_error_details_and_metadata(
        refusal.code,
        refusal.message,
        details,
        metadata,
    );
    if !refusal.answer.is_empty() {
        // The details are a `google.rpc.Status`, to which a field more is nothing that matters.
        let details = [status.details(), &refusal.answer].concat();
        status = tonic::Status::with_details_and_metadata(
            status.code(),
            status.message(),
            details.into(),
            status.metadata().clone(),
        );
    }
    let mut response = status
        .into_http::<tonic::body::Body>()
        .map(|_| full(Bytes::new()));
    response
        .headers_mut()
        .insert(GRPC_ACCEPT_ENCODING, ACCEPTED);
    response
}
