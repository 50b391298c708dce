//! Frames below the official HTTP exporter.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, Uri};
use opentelemetry_http::{HttpClient, HttpError};

use super::session::{Batch, Refusal, Said, Session, Told};
use super::{Counts, TracezipIdGenerator, TracezipWatch};
use crate::export::frames::keeps_secrets_at;
use crate::export::log::{ErrorHandler, Log, ReportKind, lock};

/// An [`HttpClient`] in front of another one, below the official HTTP exporter: requests become frames of tracezip
/// where the receiver takes them, and pass through as they are where not.
///
/// The exporter must not compress by itself, for what is compressed does not get smaller: gzip and zstd are undone if
/// this build has the features of these names, anything else passes through, and a message says so once. Requests of
/// a sort that is not protobuf pass through as well. Retries of the exporter's are new requests here, so a receiver
/// cannot tell them from others: switch them off (`RetryPolicy::disabled()`), or count on duplicates after an outage.
///
/// One client is for one destination; requests that go elsewhere than the first one pass through.
///
/// ```
/// use async_trait::async_trait;
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// use opentelemetry_http::{HttpClient, HttpError};
/// use otel_enhance::extensions::tracezip::TracezipHttpClient;
///
/// # #[derive(Debug)] struct OfficialClient;
/// # #[async_trait]
/// # impl HttpClient for OfficialClient {
/// #     async fn send_bytes(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
/// #         Err("no client".into())
/// #     }
/// # }
/// let client = TracezipHttpClient::wrap(OfficialClient);
/// let tracezip = client.tracezip();
/// // `SpanExporter::builder().with_http().with_http_client(client)`, and later:
/// println!("{} bytes saved", tracezip.stats().bytes_saved());
/// ```
pub struct TracezipHttpClient {
    inner: Box<dyn HttpClient>,
    session: Session,
    counts: Arc<Counts>,
    ids: Option<TracezipIdGenerator>,
    /// Where the first request went, and whether ids may be told there.
    destination: Mutex<Option<Uri>>,
    said: AtomicBool,
    log: Log,
}

/// What came of one request through the inner client.
type Answered = Result<Response<Bytes>, HttpError>;

impl TracezipHttpClient {
    /// Puts frames in front of `inner`.
    #[must_use]
    pub fn wrap<C: HttpClient + 'static>(inner: C) -> Self {
        Self::new(Box::new(inner), None, None)
    }

    fn new(
        inner: Box<dyn HttpClient>,
        ids: Option<TracezipIdGenerator>,
        handler: Option<ErrorHandler>,
    ) -> Self {
        let counts = Arc::<Counts>::default();
        let log = Log::with_handler(handler);
        let enabled = Arc::new(AtomicBool::new(true));
        Self {
            inner,
            session: Session::new(Arc::clone(&counts), None, enabled, Some(log.clone())),
            counts,
            ids,
            destination: Mutex::new(None),
            said: AtomicBool::new(false),
            log,
        }
    }

    /// Takes the messages that go to stderr otherwise.
    #[must_use]
    pub fn with_error_handler(self, handler: ErrorHandler) -> Self {
        Self::new(self.inner, self.ids, Some(handler))
    }

    /// How hard the text of frames is compressed: a level of zstd's, 1 to 22, beyond which the nearest holds.
    /// Default: 1.
    #[must_use]
    pub fn with_level(self, level: u8) -> Self {
        self.session.set_level(level);
        self
    }

    /// Tells the destination how to count the ids of this generator, if it is reached over TLS or within this machine.
    /// Default: ids are as random as they are.
    #[must_use]
    pub fn with_id_generator(mut self, ids: &TracezipIdGenerator) -> Self {
        self.ids = Some(ids.clone());
        self
    }

    /// What tracezip saves, readable after the client has gone into an exporter.
    #[must_use]
    pub fn tracezip(&self) -> TracezipWatch {
        TracezipWatch::new(Arc::clone(&self.counts))
    }

    /// The protobuf that the request holds, if it is to the one destination.
    fn plain(&self, request: &Request<Bytes>) -> Option<Bytes> {
        let is_protobuf = request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value == "application/x-protobuf");
        if !is_protobuf || !self.is_destination(request.uri()) {
            return None;
        }
        let Some(encoding) = request.headers().get(CONTENT_ENCODING) else {
            return Some(request.body().clone());
        };
        let plain = crate::export::undo_coding(request.body(), encoding);
        if !self.said.swap(true, Ordering::Relaxed) {
            let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
            self.log.report(
                ReportKind::Notice,
                match plain {
                    Some(_) => format!(
                        "the exporter compresses by {encoding}, which TracezipHttpClient undoes: switch it off"
                    ),
                    None => format!(
                        "the exporter compresses by {encoding}, which TracezipHttpClient cannot undo: \
                         requests pass through"
                    ),
                },
            );
        }
        plain
    }

    fn is_destination(&self, uri: &Uri) -> bool {
        let mut destination = lock(&self.destination);
        if let Some(known) = &*destination {
            return known == uri;
        }
        if let Some(ids) = &self.ids
            && keeps_secrets_at(uri)
        {
            self.session.tell_ids(ids.clone());
        }
        *destination = Some(uri.clone());
        true
    }

    async fn send_frame(
        &self,
        parts: &http::request::Parts,
        frame: Bytes,
    ) -> Said<Response<Bytes>, Answered> {
        let mut request = Request::new(frame);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.version_mut() = parts.version;
        *request.headers_mut() = parts.headers.clone();
        let headers = request.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(
            CONTENT_ENCODING,
            HeaderValue::from_static(tracezip::CONTENT_CODING),
        );
        match self.inner.send_bytes(request).await {
            Ok(response) if response.status().is_success() => Said::Taken {
                message: response.body().clone(),
                whole: response,
            },
            Ok(response) => Said::Refused {
                refusal: refusal(&response),
                message: response.body().clone(),
                whole: Ok(response),
            },
            // Clients differ in what they make an error; some of a refusal.
            Err(error) => Said::Nothing {
                may_have_arrived: true,
                whole: Err(error),
            },
        }
    }
}

fn refusal(response: &Response<Bytes>) -> Refusal {
    match response.status().as_u16() {
        400 => Refusal::Malformed,
        409 => Refusal::StateLost,
        404 | 405 | 406 | 415 | 501 => Refusal::NotSpoken,
        429 => Refusal::Throttled,
        503 if response.headers().contains_key(http::header::RETRY_AFTER) => Refusal::Throttled,
        502..=504 => Refusal::Passing,
        500.. => Refusal::Broke,
        _ => Refusal::Other,
    }
}

#[async_trait]
impl HttpClient for TracezipHttpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Answered {
        let Some(plain) = self.plain(&request) else {
            return self.inner.send_bytes(request).await;
        };
        let (parts, body) = request.into_parts();
        let mut batch = Batch::new(plain);
        let told = self
            .session
            .send(&mut batch, |frame| self.send_frame(&parts, frame))
            .await;
        self.session.give_up(&batch);
        match told {
            Told::Taken(response) => return Ok(response),
            Told::Failed {
                whole: Ok(response),
                ..
            } => return Ok(response),
            // The client knows more than it says, and OTLP does not depend on it.
            Told::Failed { whole: Err(_), .. } => {
                self.session.start_over();
                self.counts.ambiguous_retry();
            }
            Told::AsOtlp { .. } => {}
        }
        let request = Request::from_parts(parts, body);
        let answered = self.inner.send_bytes(request).await;
        match &answered {
            Ok(response) if response.status().is_success() => self.counts.otlp_delivered(),
            Ok(_) => {}
            Err(_) => self.session.connection_lost(),
        }
        answered
    }
}

impl fmt::Debug for TracezipHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracezipHttpClient")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
