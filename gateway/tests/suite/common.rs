//! What the tests share: messages, senders, destinations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use otel_enhance_gateway::{Config, Gateway};
use otel_enhance_receiver::{Outcome, Receiver, ReceiverBuilder, Request, Store};
use prost::Message;
use tokio::sync::Semaphore;

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

/// A request of `spans` spans of one service; every span of every number is another one.
pub(crate) fn request(service: &str, number: u64, spans: u64) -> ExportTraceServiceRequest {
    let span = |index: u64| {
        let id = number * 1000 + index + 1;
        let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let trace = [mixed.to_be_bytes(), (!mixed).to_be_bytes()].concat();
        Span {
            trace_id: trace,
            span_id: mixed.rotate_left(17).to_be_bytes().to_vec(),
            name: ["GET /cart", "POST /order", "charge"][(id % 3) as usize].to_owned(),
            kind: (id % 5) as i32,
            start_time_unix_nano: 1_700_000_000_000_000_000 + id * 1_234_567,
            end_time_unix_nano: 1_700_000_000_000_000_000 + id * 1_234_567 + mixed % 5_000_000,
            attributes: vec![
                attribute(
                    "http.route",
                    Value::StringValue(format!("/item/{}", id % 7)),
                ),
                attribute("items", Value::IntValue((mixed % 90) as i64)),
            ],
            ..Span::default()
        }
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![attribute(
                    "service.name",
                    Value::StringValue(service.to_owned()),
                )],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "scope".to_owned(),
                    ..Default::default()
                }),
                spans: (0..spans).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

pub(crate) fn encoded(number: u64, spans: u64) -> Bytes {
    request("shop", number, spans).encode_to_vec().into()
}

/// Starts a gateway from YAML; ports are chosen by the system unless it says otherwise.
pub(crate) async fn gateway(yaml: &str) -> Gateway {
    let mut config = Config::from_yaml(yaml).unwrap_or_else(|error| panic!("{error}"));
    if !yaml.contains("receivers:") {
        config.receivers.http = Some("127.0.0.1:0".to_owned());
        config.receivers.grpc = Some("127.0.0.1:0".to_owned());
    }
    if !yaml.contains("admin:") {
        config.admin.address.0 = Some("127.0.0.1:0".to_owned());
    }
    Gateway::start(&config).await.unwrap()
}

pub(crate) fn http_url(gateway: &Gateway) -> String {
    format!("http://{}", gateway.http_addr().unwrap())
}

pub(crate) fn grpc_url(gateway: &Gateway) -> String {
    format!("http://{}", gateway.grpc_addr().unwrap())
}

/// A destination that keeps what comes.
pub(crate) async fn destination() -> (Receiver, Store) {
    let store = Store::new();
    let receiver = plain_destination().with_handler(store.clone());
    (receiver.start().await.unwrap(), store)
}

/// A destination that answers as many requests as the semaphore is given permits.
pub(crate) async fn held_destination() -> (Receiver, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let receiver = plain_destination().with_handler(move |_: Request| {
        let gate = Arc::clone(&waiting);
        async move {
            gate.acquire().await.unwrap().forget();
            Outcome::Accepted
        }
    });
    (receiver.start().await.unwrap(), gate)
}

/// Waits for the first request to come to a destination.
pub(crate) async fn until_asked(receiver: &Receiver) {
    while receiver.stats().requests == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn plain_destination() -> ReceiverBuilder {
    Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_grpc("127.0.0.1:0")
}

/// An endpoint of a receiver, in the gateway's notation.
pub(crate) fn endpoint(receiver: &Receiver, grpc: bool) -> String {
    if grpc {
        receiver.grpc_endpoint().unwrap().replace("http", "grpc")
    } else {
        receiver.http_endpoint().unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Posts to `/v1/traces` of a URL. An error is a connection that broke.
pub(crate) async fn try_post(
    client: &Client<HttpConnector, Full<Bytes>>,
    url: &str,
    content_type: &str,
    headers: &[(&str, &str)],
    body: &Bytes,
) -> Result<Reply, String> {
    let mut request =
        http::Request::post(format!("{url}/v1/traces")).header("content-type", content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.clone())).unwrap();
    let response = client
        .request(request)
        .await
        .map_err(|error| error.to_string())?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?;
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.to_bytes(),
    })
}

pub(crate) async fn post(
    url: &str,
    content_type: &str,
    headers: &[(&str, &str)],
    body: &Bytes,
) -> Reply {
    try_post(&client(), url, content_type, headers, body)
        .await
        .unwrap()
}

pub(crate) async fn get(url: &str) -> (StatusCode, String) {
    let request = http::Request::get(url)
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = client().request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// The value of a metric, by the beginning of its line.
pub(crate) async fn metric(gateway: &Gateway, start: &str) -> u64 {
    let url = format!("http://{}/metrics", gateway.admin_addr().unwrap());
    let (status, text) = get(&url).await;
    assert_eq!(status, 200);
    let start = format!("otel_enhance_gateway_{start}");
    let line = text
        .lines()
        .find(|line| line.starts_with(&start))
        .unwrap_or_else(|| panic!("no {start} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// The bodies that came to a store, in order.
pub(crate) fn bodies(store: &Store) -> Vec<Bytes> {
    let requests = store.requests();
    requests
        .iter()
        .map(|request| request.body.clone())
        .collect()
}

/// A number that no other call gets.
pub(crate) fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
