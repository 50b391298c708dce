//! The body of every response.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// A complete body, with or without trailers.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> ReplyBody {
    Full::new(bytes.into()).boxed_unsync()
}

pub(crate) fn with_trailers(bytes: Bytes, trailers: HeaderMap) -> ReplyBody {
    Full::new(bytes)
        .with_trailers(std::future::ready(Some(Ok(trailers))))
        .boxed_unsync()
}

/// Whole seconds for `Retry-After`: never earlier than meant.
pub(crate) fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs() + u64::from(delay.subsec_nanos() > 0)
}
