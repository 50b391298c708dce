//! Reading a body within bounds of size, time and memory.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;

use crate::budget::Charge;
use crate::outcome::Refusal;

/// Reads the whole of `body`, at most `limit` bytes and `framing` around them, within `timeout`.
pub(crate) async fn collect<B>(
    body: &mut B,
    limit: usize,
    framing: usize,
    timeout: Duration,
    charge: &mut Charge,
) -> Result<Bytes, Refusal>
where
    B: Body + Unpin,
    B::Data: Buf,
    B::Error: std::fmt::Display,
{
    let whole = limit.saturating_add(framing);
    if body.size_hint().lower() > whole as u64 {
        return Err(Refusal::too_large("the body", limit));
    }
    match tokio::time::timeout(timeout, read(body, whole, charge)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(Refusal::too_large("the body", limit)),
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err(Refusal::from_http_status(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {timeout:?}"),
        )),
    }
}

/// `None` is a body of more than `limit` bytes.
async fn read<B>(body: &mut B, limit: usize, charge: &mut Charge) -> Result<Option<Bytes>, Refusal>
where
    B: Body + Unpin,
    B::Error: std::fmt::Display,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Refusal::malformed(format!("the body broke off: {error}")))?;
        // Trailers carry nothing in OTLP.
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        let length = data.remaining();
        if length > limit - whole.len() {
            return Ok(None);
        }
        charge
            .grow(length)
            .map_err(|_| Refusal::busy("the receiver is out of memory for requests"))?;
        while data.has_remaining() {
            let chunk = data.chunk();
            let taken = chunk.len();
            whole.extend_from_slice(chunk);
            data.advance(taken);
        }
    }
    Ok(Some(whole.freeze()))
}

/// How long a refused body is still read, and how much of it in lengths of the largest permitted:
/// what is refused for its size is more than one.
const DRAIN_TIME: Duration = Duration::from_secs(1);
const DRAIN_LENGTHS: usize = 4;

/// Reads and forgets what is left of a refused body. A sender which is still writing gets to read
/// the answer then: over HTTP/1.1 the connection would be reset under it, and over HTTP/2 some
/// clients take the reset of the stream for the answer.
pub(crate) async fn drain<B: Body + Unpin>(mut body: B, max_body_bytes: usize) {
    if body.is_end_stream() {
        return;
    }
    let mut left = max_body_bytes.saturating_mul(DRAIN_LENGTHS);
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Buf::remaining);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whether it ended or not, the answer goes out now.
    tokio::time::timeout(DRAIN_TIME, all).await.ok();
}
