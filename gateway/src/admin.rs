//! Health, readiness and metrics, on a listener of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode};
use otel_enhance_receiver::{BoxFuture, Hook, Receiver, RequestHead, Verdict};

use crate::metrics::{self, Metrics};
use crate::output::Output;

/// Answers everything that comes to the listener.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) receiver: Arc<Mutex<Option<Receiver>>>,
    pub(crate) outputs: Arc<[Output]>,
    pub(crate) draining: Arc<AtomicBool>,
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

impl Pages {
    fn answer(&self, head: &RequestHead) -> Response<Bytes> {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n");
        }
        match head.path.as_str() {
            "/healthz" | "/livez" => page(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.draining.load(Ordering::Relaxed) => {
                page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n")
            }
            "/readyz" => page(StatusCode::OK, TEXT, "ready\n"),
            "/metrics" => {
                let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
                self.outputs.iter().for_each(Output::measure);
                let text = metrics::page(&self.metrics, receiver.as_ref(), &self.outputs);
                page(StatusCode::OK, PROMETHEUS, text)
            }
            _ => page(
                StatusCode::NOT_FOUND,
                TEXT,
                "there are /healthz, /readyz and /metrics\n",
            ),
        }
    }
}

impl Hook for Pages {
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(Verdict::Reply(self.answer(head))))
    }
}

fn page(status: StatusCode, content_type: HeaderValue, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(http::header::ALLOW, allowed);
    }
    response
}
