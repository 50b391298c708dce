//! The services of `tests/services`, in Rust, on this library: the same request, the same answer.
//!
//! Usage: `rust_service OTLP_HTTP_ENDPOINT SERVICE_NAME`. It prints `listening PORT`.
#![expect(
    clippy::print_stdout,
    reason = "whoever starts it reads the port there"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::net::Ipv4Addr;

use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use otel_enhance::baggage::BaggageExt;
use otel_enhance::trace::{SpanId, TraceContextExt};
use otel_enhance::{Context, KeyValue, enhanced_trace, global};
use otel_enhance_tests::peers::Called;
use tokio::net::TcpListener;

type BoxError = Box<dyn Error + Send + Sync>;

/// Answers nest, one for each service of a chain.
const MAX_ANSWER_BYTES: usize = 1 << 20;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let (Some(endpoint), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: rust_service OTLP_HTTP_ENDPOINT SERVICE_NAME".into());
    };
    // `simple`: every span is exported when it ends, as in the other services.
    let _guard = otel_enhance::init!(
        service = name,
        exporter = otlp_http,
        endpoint = endpoint,
        simple
    )?;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening {}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service_fn(answer);
        tokio::spawn(async move {
            // A caller that went away concerns nobody here.
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BoxError> {
    let arrived = global::get_text_map_propagator(|propagator| {
        propagator.extract(&HeaderExtractor(request.headers()))
    });
    let next = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("next="))
        .map(|escaped| {
            percent_encoding::percent_decode_str(escaped)
                .decode_utf8_lossy()
                .into_owned()
        });
    let (status, body) = match serve(arrived, next).await {
        Ok(called) => (StatusCode::OK, serde_json::to_vec(&called)?),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string().into_bytes()),
    };
    Ok(Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body))?)
}

#[enhanced_trace(name = "GET /call", kind = "server", parent = arrived.clone(), err)]
async fn serve(arrived: Context, next: Option<String>) -> Result<Called, BoxError> {
    let context = Context::current();
    let (span, parent) = (context.span(), arrived.span().span_context().span_id());
    let own = span.span_context().clone();
    let baggage: BTreeMap<String, String> = arrived
        .baggage()
        .iter()
        .map(|(key, (value, _))| (key.to_string(), value.to_string()))
        .collect();
    for (key, value) in &baggage {
        span.set_attribute(KeyValue::new(format!("baggage.{key}"), value.clone()));
    }
    Ok(Called {
        language: "rust".to_owned(),
        trace_id: own.trace_id().to_string(),
        span_id: own.span_id().to_string(),
        parent_span_id: (parent != SpanId::INVALID).then(|| parent.to_string()),
        sampled: own.is_sampled(),
        tracestate: own.trace_state().header(),
        baggage,
        next: match next {
            Some(url) => call(url).await?,
            None => serde_json::Value::Null,
        },
    })
}

#[enhanced_trace(name = "GET", kind = "client", err)]
async fn call(url: String) -> Result<serde_json::Value, BoxError> {
    let mut request = Request::get(&url).body(Empty::<Bytes>::new())?;
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(
            &Context::current(),
            &mut HeaderInjector(request.headers_mut()),
        );
    });
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await?
        .to_bytes();
    if !status.is_success() {
        return Err(format!(
            "{url} answered {status}: {}",
            String::from_utf8_lossy(&body)
        )
        .into());
    }
    Ok(serde_json::from_slice(&body)?)
}
