//! HTTP between the two services, with the official propagator on both ends.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use otel_enhance::trace::{TraceContextExt, get_active_span};
use otel_enhance::{Context, KeyValue, enhanced_trace, global};
use tokio::net::TcpListener;

/// What a request to the other service came to.
#[derive(Debug)]
pub(crate) enum CallError {
    /// It answered, and refused.
    Refused(StatusCode, String),
    /// It could not be asked.
    Unreachable(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(status, reason) => write!(f, "{status}: {reason}"),
            Self::Unreachable(reason) => write!(f, "cannot be reached: {reason}"),
        }
    }
}

impl std::error::Error for CallError {}

/// One GET. The client span's context travels in the headers that `OTEL_PROPAGATORS` names.
#[enhanced_trace(name = "GET", kind = "client", err, fields(http.request.method = "GET", url.full = url.clone()))]
pub(crate) async fn get(url: String) -> Result<String, CallError> {
    let unreachable = |error: &dyn std::error::Error| CallError::Unreachable(error.to_string());
    let mut request = Request::get(&url)
        .body(Empty::<Bytes>::new())
        .map_err(|error| unreachable(&error))?;
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(
            &Context::current(),
            &mut HeaderInjector(request.headers_mut()),
        );
    });

    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .request(request)
        .await
        .map_err(|error| unreachable(&error))?;
    let status = response.status();
    // The official API sees the span that the attribute opened.
    get_active_span(|span| {
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status.as_u16()),
        ));
    });
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| unreachable(&error))?
        .to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        Ok(text)
    } else {
        Err(CallError::Refused(status, text))
    }
}

/// Answers each request with `answer(path, context of the caller)` until the process ends.
pub(crate) async fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(String, Context) -> A + Copy + Send + 'static,
    A: Future<Output = Result<String, String>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(move |request: Request<Incoming>| async move {
            let caller = global::get_text_map_propagator(|propagator| {
                propagator
                    .extract_with_context(&Context::new(), &HeaderExtractor(request.headers()))
            });
            debug_assert!(
                caller.has_active_span(),
                "the storefront always sends its context"
            );
            let (status, text) = match answer(request.uri().path().to_owned(), caller).await {
                Ok(text) => (StatusCode::OK, text),
                Err(text) => (StatusCode::CONFLICT, text),
            };
            let mut response = Response::new(Full::new(Bytes::from(text)));
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A caller that goes away in mid-request is its own trouble.
            let _ = connection.await;
        });
    }
}
