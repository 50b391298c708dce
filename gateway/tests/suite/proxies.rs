//! What stands between two gateways: proxies that distribute, strip, repeat, lose and delay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use otel_enhance_receiver::{
    BoxFuture, Hook, Outcome, RawReply, RawRequest, Receiver, RequestHead, Verdict,
};

use crate::common::client;

/// A proxy for HTTP that gives each request to the next of its targets.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    client: Client<HttpConnector, Full<Bytes>>,
    targets: Vec<String>,
    seen: Arc<AtomicU64>,
    /// Requests that were not forwarded once, or whose answers were not passed on.
    pub(crate) harmed: Arc<AtomicU64>,
    /// All headers go but the content type: those of requests, those of answers.
    pub(crate) strips: (bool, bool),
    /// Every so many requests is forwarded twice.
    pub(crate) repeats: u64,
    /// Every so many requests is not forwarded at all: 502.
    pub(crate) drops: u64,
    /// Of every so many requests the answer is lost: 502.
    pub(crate) loses: u64,
    /// Requests are delayed by up to this.
    pub(crate) delays: Duration,
}

impl Proxy {
    pub(crate) fn new(targets: &[String]) -> Self {
        Self {
            client: client(),
            targets: targets.to_vec(),
            seen: Arc::default(),
            harmed: Arc::default(),
            strips: (false, false),
            repeats: 0,
            drops: 0,
            loses: 0,
            delays: Duration::ZERO,
        }
    }

    pub(crate) async fn start(self) -> Receiver {
        Receiver::builder()
            .with_http("127.0.0.1:0")
            .with_hook(self)
            .start()
            .await
            .unwrap()
    }

    async fn forward(&self, target: &str, request: &RawRequest) -> Option<Response<Bytes>> {
        let url = format!("{target}{}", request.head.path);
        let mut forwarded = Request::post(url)
            .body(Full::new(request.body.clone()))
            .unwrap();
        *forwarded.headers_mut() = passed(&request.head.headers, self.strips.0);
        let response = self.client.request(forwarded).await.ok()?;
        let (mut parts, body) = response.into_parts();
        parts.headers = passed(&parts.headers, self.strips.1);
        let body = body.collect().await.ok()?.to_bytes();
        Some(Response::from_parts(parts, body))
    }
}

fn passed(headers: &HeaderMap, strips: bool) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        let own = matches!(name.as_str(), "host" | "content-length" | "connection");
        if !own && (!strips || name == "content-type") {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

impl Hook for Proxy {
    fn inspect<'a>(&'a self, _: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(Verdict::Take))
    }

    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        Box::pin(async move {
            let number = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
            let every = |count: u64| count > 0 && number.is_multiple_of(count);
            if !self.delays.is_zero() {
                let part = (number.wrapping_mul(0x9e37_79b9) % 100) as u32;
                tokio::time::sleep(self.delays * part / 100).await;
            }
            if [self.repeats, self.drops, self.loses]
                .into_iter()
                .any(every)
            {
                self.harmed.fetch_add(1, Ordering::Relaxed);
            }
            let target = &self.targets[(number % self.targets.len() as u64) as usize];
            let mut answer = None;
            if !every(self.drops) {
                answer = self.forward(target, &request).await;
                if every(self.repeats) {
                    answer = self.forward(target, &request).await;
                }
            }
            if every(self.loses) {
                answer = None;
            }
            RawReply::Response(answer.unwrap_or_else(|| {
                let mut response = Response::new(Bytes::from_static(b"bad gateway"));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }))
        })
    }
}

/// A server that answers 200 to anything, whatever its coding, and keeps what it understands: OTLP by its
/// content encoding.
#[derive(Debug, Clone, Default)]
pub(crate) struct YesMan {
    pub(crate) understood: Arc<std::sync::Mutex<Vec<Bytes>>>,
}

impl Hook for YesMan {
    fn inspect<'a>(&'a self, _: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(Verdict::Take))
    }

    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        let body = match request.head.header("content-encoding") {
            None => Some(request.body.clone()),
            Some("zstd") => zstd::decode_all(&*request.body).ok().map(Bytes::from),
            Some(_) => None,
        };
        self.understood.lock().unwrap().extend(body);
        Box::pin(std::future::ready(RawReply::Outcome(Outcome::Accepted)))
    }
}

/// A proxy for TCP that cuts every connection after so many bytes of answers, be it in the middle of one; the next
/// one lives a little longer or shorter.
pub(crate) async fn cutting(target: std::net::SocketAddr, after: usize) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It goes on until the runtime ends.
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((client, _)) = listener.accept().await {
            connections += 1;
            let mut left = after + connections * 37 % after;
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(target).await else {
                    return;
                };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let up = tokio::spawn(async move {
                    tokio::io::copy(&mut from_client, &mut to_server).await.ok();
                });
                let mut buffer = vec![0; 4096];
                while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                    let passed = read.min(left);
                    left -= passed;
                    if to_client.write_all(&buffer[..passed]).await.is_err() || left == 0 {
                        break;
                    }
                }
                up.abort();
            });
        }
    });
    address
}
