//! The way past OTLP: a hook sees every request before its body is read and may take it over.

use bytes::Bytes;

use crate::handler::BoxFuture;
use crate::outcome::{Outcome, Refusal};
use crate::request::RequestHead;

/// Looks at requests before the receiver does: for authentication, health pages, further signals,
/// own content codings and own gRPC methods.
///
/// ```
/// use bytes::Bytes;
/// use otel_enhance_receiver::{BoxFuture, Hook, RequestHead, Verdict};
///
/// struct Health;
///
/// impl Hook for Health {
///     fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
///         Box::pin(async move {
///             if head.path == "/healthz" {
///                 return Verdict::Reply(http::Response::new(Bytes::from_static(b"ok\n")));
///             }
///             Verdict::Continue
///         })
///     }
/// }
/// # let _: &dyn Hook = &Health;
/// ```
pub trait Hook: Send + Sync + 'static {
    /// Decides by its head what happens to a request.
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict>;

    /// The number of whoever a request was authenticated as. Streams of tracezip belong to it: those of another are
    /// other streams, whatever they are called, and share nothing. The default is 0 for all.
    fn principal(&self, head: &RequestHead) -> u64 {
        let _ = head;
        0
    }

    /// Answers a request which [`inspect`](Self::inspect) has [taken](Verdict::Take). The default
    /// answers 404 or `UNIMPLEMENTED`.
    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        Box::pin(async move {
            let message = format!("nothing is served at {}", request.head.path);
            RawReply::Outcome(Outcome::Refused(Refusal::from_http_status(
                http::StatusCode::NOT_FOUND,
                message,
            )))
        })
    }
}

/// What a [`Hook`] decides.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The request is none of the hook's business.
    Continue,
    /// The hook wants the body, within the limits, and answers by itself.
    Take,
    /// The request is answered at once, in the form of its transport.
    Refuse(Refusal),
    /// The request is answered at once with exactly this response.
    Reply(http::Response<Bytes>),
}

/// A request whose body is as it was on the wire.
#[derive(Debug)]
#[non_exhaustive]
pub struct RawRequest {
    /// Method, path, headers and peer.
    pub head: RequestHead,
    /// HTTP: the body as sent, still compressed. gRPC: the one message, without its frame.
    pub body: Bytes,
    /// gRPC: whether the message's frame says that it is compressed by the `grpc-encoding`.
    pub compressed: bool,
}

/// A hook's answer to a [`RawRequest`].
#[derive(Debug)]
#[non_exhaustive]
pub enum RawReply {
    /// Success with an encoded message: 200 and `application/x-protobuf`, or a gRPC frame and `OK`.
    Message(Bytes),
    /// An answer in the form of the transport.
    Outcome(Outcome),
    /// Exactly this HTTP response.
    Response(http::Response<Bytes>),
}
