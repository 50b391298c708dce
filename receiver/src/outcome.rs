//! What a handler answers, and what becomes of it on either transport.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

/// A gRPC status code, as `tonic` names them.
pub use tonic::Code as GrpcCode;

/// A handler's answer to one export request.
///
/// | outcome | HTTP | gRPC |
/// |---|---|---|
/// | `Accepted` | 200 | `OK` |
/// | `PartialSuccess` | 200 with `partial_success` | `OK` with `partial_success` |
/// | `Busy` | 429 with `Retry-After` | `RESOURCE_EXHAUSTED` with `RetryInfo` |
/// | `Unavailable` | 503, `Retry-After` if given | `UNAVAILABLE`, `RetryInfo` if given |
/// | `Rejected` | 400 | `INVALID_ARGUMENT` |
/// | `Unauthorized` | 401 | `UNAUTHENTICATED` |
/// | `Forbidden` | 403 | `PERMISSION_DENIED` |
/// | `Failed` | 500 | `INTERNAL` |
/// | `Refused` | as it says | as it says |
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Every span was taken; the sender may forget them.
    Accepted,
    /// The request was taken but for some spans, which the sender must not send again.
    PartialSuccess {
        /// Spans that were not taken; 0 with a message is a mere warning.
        rejected_spans: u64,
        /// Why, and what the sender can do about it.
        message: String,
    },
    /// No room at the moment: the sender shall come again after `retry_after`.
    Busy {
        /// How long to wait; rounded up to whole seconds over HTTP.
        retry_after: Duration,
    },
    /// The destination is away: the sender shall come again.
    Unavailable {
        /// How long to wait, if that is known.
        retry_after: Option<Duration>,
        /// What is away.
        message: String,
    },
    /// The request can never be taken as it is; the sender must not repeat it.
    Rejected {
        /// What is wrong with it.
        message: String,
    },
    /// The sender did not say who it is, or not credibly.
    Unauthorized {
        /// What is expected.
        message: String,
    },
    /// The sender is known, and may not do this.
    Forbidden {
        /// What it may not do.
        message: String,
    },
    /// The handler failed; the sender must not repeat the request.
    Failed {
        /// What happened, fit for a stranger to read.
        message: String,
    },
    /// Any other refusal, status by status.
    Refused(Refusal),
}

/// A refusal in the terms of both transports.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: GrpcCode,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// A field for the end of the message: the answer to a frame.
    pub(crate) answer: Bytes,
}

impl Refusal {
    /// A refusal with an HTTP status, a gRPC code, and a message for the sender's log.
    pub fn new(status: StatusCode, code: GrpcCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            headers: Vec::new(),
            answer: Bytes::new(),
        }
    }

    /// The gRPC code is the one that an OTLP sender treats as it treats this HTTP status: what is
    /// retried over HTTP (429, 502, 503, 504) is retried over gRPC, the rest is not.
    pub fn from_http_status(status: StatusCode, message: impl Into<String>) -> Self {
        let code = match status.as_u16() {
            400 => GrpcCode::InvalidArgument,
            401 => GrpcCode::Unauthenticated,
            403 => GrpcCode::PermissionDenied,
            404 => GrpcCode::Unimplemented,
            408 => GrpcCode::DeadlineExceeded,
            413 | 429 => GrpcCode::ResourceExhausted,
            502..=504 => GrpcCode::Unavailable,
            _ => GrpcCode::Internal,
        };
        Self::new(status, code, message)
    }

    /// Asks the sender to wait: `Retry-After` over HTTP, `RetryInfo` over gRPC.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Adds a header to the answer; over gRPC it becomes metadata.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    #[cfg(feature = "tracezip")]
    pub(crate) fn with_answer(self, answer: Bytes) -> Self {
        Self { answer, ..self }
    }

    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::from_http_status(StatusCode::TOO_MANY_REQUESTS, message)
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::from_http_status(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn too_large(what: &str, limit: usize) -> Self {
        Self::from_http_status(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("{what} is larger than {limit} bytes: send smaller batches"),
        )
    }
}

/// A success as both transports write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Success {
    /// Rejected spans and the message, if there is a partial success to report.
    pub(crate) partial: Option<(i64, String)>,
    /// A field for the end of the message: the answer to a frame.
    pub(crate) answer: Bytes,
}

#[cfg(feature = "tracezip")]
impl Success {
    pub(crate) fn with_answer(self, answer: Bytes) -> Self {
        Self { answer, ..self }
    }
}

impl Outcome {
    /// Sorts the answer into what is sent with a message and what is sent as an error.
    pub(crate) fn into_result(self) -> Result<Success, Refusal> {
        let refuse = |status, message| Err(Refusal::from_http_status(status, message));
        match self {
            Self::Accepted => Ok(Success::default()),
            Self::PartialSuccess {
                rejected_spans,
                message,
            } => Ok(Success {
                partial: Some((i64::try_from(rejected_spans).unwrap_or(i64::MAX), message)),
                ..Success::default()
            }),
            Self::Busy { retry_after } => Err(Refusal::busy(
                "the receiver has no room at the moment: try again later",
            )
            .with_retry_after(retry_after)),
            Self::Unavailable {
                retry_after,
                message,
            } => {
                let mut refusal =
                    Refusal::from_http_status(StatusCode::SERVICE_UNAVAILABLE, message);
                refusal.retry_after = retry_after;
                Err(refusal)
            }
            Self::Rejected { message } => refuse(StatusCode::BAD_REQUEST, message),
            Self::Unauthorized { message } => {
                Err(Refusal::from_http_status(StatusCode::UNAUTHORIZED, message)
                    // RFC 9110, section 15.5.2: a 401 names a scheme.
                    .with_header(
                        http::header::WWW_AUTHENTICATE,
                        HeaderValue::from_static("Bearer"),
                    ))
            }
            Self::Forbidden { message } => refuse(StatusCode::FORBIDDEN, message),
            Self::Failed { message } => refuse(StatusCode::INTERNAL_SERVER_ERROR, message),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}
