//! A proxy for HTTP/1.1 that does to requests and answers what networks do, and worse.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot have its proxy has failed"
)]

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing special.
    Pass,
    /// It is delivered, and the connection ends before the answer.
    LoseAnswer,
    /// The connection ends, and nothing is delivered.
    LoseRequest,
    /// It is delivered twice, and answered once.
    Twice,
    /// It is delivered, and answered later.
    AnswerLater(Duration),
    /// It is delivered later.
    Later(Duration),
    /// A bit of its body is another.
    Damage,
    /// It is delivered without its `Content-Encoding`.
    StripEncoding,
    /// It is answered by 200 and nothing, and not delivered.
    Swallow,
}

/// Decides about each request by its number, and the length of its body.
type Plan = dyn Fn(usize, usize) -> Fate + Send + Sync;

struct Shared {
    targets: Vec<String>,
    plan: Box<Plan>,
    requests: AtomicUsize,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A proxy in front of one receiver or several, of which requests go to one after the other.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Ends with it.
    _runtime: Runtime,
}

impl Proxy {
    /// Between this machine and `targets`, which are URLs without paths.
    ///
    /// # Panics
    ///
    /// If loopback has no free port.
    pub fn start(
        targets: &[&str],
        plan: impl Fn(usize, usize) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket has one");
        let shared = Arc::new(Shared {
            targets: targets.iter().map(|&target| target.to_owned()).collect(),
            plan: Box::new(plan),
            requests: AtomicUsize::new(0),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let serve = service_fn(move |request| forward(Arc::clone(&shared), request));
                    let connection =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
                    // Many end early: that is what the proxy is for.
                    connection.await.ok();
                });
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn forward(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let (parts, body) = request.into_parts();
    let mut body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let fate = (shared.plan)(number, body.len());
    let mut headers = parts.headers;
    match fate {
        Fate::LoseRequest => return Err(io::ErrorKind::ConnectionReset.into()),
        Fate::Later(delay) => tokio::time::sleep(delay).await,
        Fate::StripEncoding => {
            headers.remove(http::header::CONTENT_ENCODING);
        }
        Fate::Damage => {
            let mut damaged = body.to_vec();
            if let Some(last) = damaged.last_mut() {
                *last ^= 1;
            }
            body = damaged.into();
        }
        Fate::Swallow => return Ok(Response::new(Full::default())),
        Fate::Pass | Fate::LoseAnswer | Fate::Twice | Fate::AnswerLater(_) => {}
    }
    let target = &shared.targets[number % shared.targets.len()];
    let uri = format!("{target}{}", parts.uri.path());
    let times = if fate == Fate::Twice { 2 } else { 1 };
    let mut answered = None;
    for _ in 0..times {
        let mut request = Request::post(&uri).body(Full::new(body.clone())).unwrap();
        for (name, value) in &headers {
            if name != http::header::HOST {
                request.headers_mut().insert(name.clone(), value.clone());
            }
        }
        answered = Some(shared.client.request(request).await);
    }
    let Some(Ok(response)) = answered else {
        return Err(io::ErrorKind::ConnectionRefused.into());
    };
    match fate {
        Fate::LoseAnswer => return Err(io::ErrorKind::ConnectionReset.into()),
        Fate::AnswerLater(delay) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(http::header::TRANSFER_ENCODING);
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok::<_, Infallible>(Response::from_parts(parts, Full::new(body)))
        .map_err(|never| match never {})
}
