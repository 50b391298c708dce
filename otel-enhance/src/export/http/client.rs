//! One HTTP/1.1 request after the other over a pool of kept-alive connections.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::super::cause::{chain, find};
use super::super::connect::{Connector, unready_to_trouble};
use super::super::report::DropReason;
use super::super::retry::{Again, Trouble};
use super::super::sink::Failure;
use super::date;

/// The most that is read of a response: an OTLP response is a few bytes, an error page is not ours.
pub(super) const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// The same of a refusal, and how long its body may take.
#[cfg(feature = "tracezip")]
const MAX_REFUSAL_BYTES: usize = 1 << 16;
#[cfg(feature = "tracezip")]
const REFUSAL_TIME: Duration = Duration::from_secs(2);

/// Idle connections are closed by us before most servers would, and with it the window in which a
/// request meets a closing connection.
const IDLE: Duration = Duration::from_secs(20);

/// As many exports as may run at once. One at a time never opens a second connection.
const IDLE_CONNECTIONS: usize = 64;

/// Sends a body to one place.
#[derive(Debug)]
pub(super) struct Transport {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
}

/// A request that can be sent more than once.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Transport {
    pub(super) fn new(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector.clone());
        Self { client, connector }
    }

    /// One attempt; a 2xx with its body, or the trouble it met.
    pub(super) async fn attempt(&self, parcel: &Parcel) -> Result<Response<Bytes>, Trouble> {
        let response = self.exchange(parcel).await?;
        let (parts, incoming) = response.into_parts();
        if !parts.status.is_success() {
            // The body of an error may repeat our secrets: it is not read, and the connection,
            // which it would block, is closed with it.
            return Err(from_status(parts.status, &parts.headers));
        }
        let body = success_body(incoming).await?;
        Ok(Response::from_parts(parts, body))
    }

    /// One attempt of which the body of a refusal is read as well, as far as it is short and comes.
    #[cfg(feature = "tracezip")]
    pub(super) async fn attempt_in_full(
        &self,
        parcel: &Parcel,
    ) -> Result<Response<Bytes>, (Trouble, Bytes)> {
        let no_body = |trouble| (trouble, Bytes::new());
        let response = self.exchange(parcel).await.map_err(no_body)?;
        let (parts, incoming) = response.into_parts();
        if parts.status.is_success() {
            let body = success_body(incoming).await.map_err(no_body)?;
            return Ok(Response::from_parts(parts, body));
        }
        let short = http_body_util::Limited::new(incoming, MAX_REFUSAL_BYTES);
        let body = tokio::time::timeout(REFUSAL_TIME, short.collect()).await;
        let body = body.ok().and_then(Result::ok);
        let body = body.map(http_body_util::Collected::to_bytes);
        Err((
            from_status(parts.status, &parts.headers),
            body.unwrap_or_default(),
        ))
    }

    /// Sends the request; the head of what came back, and its body to be read.
    async fn exchange(&self, parcel: &Parcel) -> Result<Response<Incoming>, Trouble> {
        self.connector
            .ready()
            .map_err(|error| unready_to_trouble(&error))?;
        let mut request = Request::post(parcel.uri.clone())
            .body(Full::new(parcel.body.clone()))
            .map_err(|error| Trouble::rejected(format!("the request is not valid: {error}")))?;
        *request.headers_mut() = parcel.headers.clone();
        self.client.request(request).await.map_err(|error| {
            let refusal = self.connector.refusal();
            refusal.unwrap_or_else(|| from_client_error(&error))
        })
    }
}

/// The body of a 2xx.
async fn success_body(mut incoming: Incoming) -> Result<Bytes, Trouble> {
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| {
            Trouble::unreachable(
                format!("the connection broke within the answer: {}", chain(&error)),
                true,
            )
        })?;
        if let Ok(data) = frame.into_data() {
            if body.len() + data.len() > MAX_RESPONSE_BYTES {
                // It said 2xx: the spans are there. What follows cannot be an OTLP response.
                body.clear();
                body.extend_from_slice(b"\xff");
                break;
            }
            body.extend_from_slice(&data);
        }
    }
    Ok(body.freeze())
}

/// Retryable is what the specification names; all else is final.
fn from_status(status: StatusCode, headers: &HeaderMap) -> Trouble {
    let mut trouble = classify(status, headers);
    trouble.failure.http_status = Some(status.as_u16());
    trouble
}

fn classify(status: StatusCode, headers: &HeaderMap) -> Trouble {
    let detail = format!("the receiver answered {status}");
    if status.is_redirection() {
        let to = headers
            .get(LOCATION)
            .and_then(|to| to.to_str().ok())
            .and_then(|to| to.parse::<Uri>().ok())
            // Without query and user info, which may hold secrets.
            .and_then(|to| Some(format!(" to host {}", to.host()?)))
            .unwrap_or_default();
        return Trouble::rejected(format!(
            "{detail}: redirects{to} are not followed, set the endpoint to the final address"
        ));
    }
    let retryable = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    if !retryable.contains(&status) {
        return Trouble::rejected(detail);
    }
    let after = headers
        .get(RETRY_AFTER)
        .and_then(|value| date::retry_after(value.to_str().ok()?, SystemTime::now()));
    Trouble {
        failure: Failure::new(DropReason::Unreachable, detail),
        again: after.map_or(Again::Backoff, Again::After),
        // A receiver that throttles says that it did not take the request. A gateway, which cannot
        // know, answers 502, 504 or a plain 503.
        may_have_arrived: status != StatusCode::TOO_MANY_REQUESTS && after.is_none(),
    }
}

fn from_client_error(error: &hyper_util::client::legacy::Error) -> Trouble {
    #[cfg(feature = "tls-no-provider")]
    if let Some(unusable) = super::super::tls::CredentialsError::from_connection(error) {
        return unusable.to_trouble();
    }
    let detail = chain(error);
    if error.is_connect() {
        return Trouble::unreachable(detail, false);
    }
    match find::<hyper::Error>(error) {
        Some(inner) if inner.is_parse() => Trouble {
            may_have_arrived: true,
            ..Trouble::rejected(format!(
                "the answer is not HTTP/1.1 ({inner}): is this an OTLP/HTTP endpoint?"
            ))
        },
        Some(inner) if inner.is_user() => Trouble::rejected(detail),
        _ => Trouble::unreachable(detail, true),
    }
}
