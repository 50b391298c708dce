//! One connection: handshake, requests, idleness, end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::io::{PrefaceDeadline, Stream};
use crate::listener::stopped;
use crate::reply::ReplyBody;
use crate::request::{RequestHead, Transport};
use crate::service::{Counters, Shared};
use crate::{grpc_front, http_front};

/// Failures of a connection end it and are counted; nobody is left to tell them to.
type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// What stands between TCP and HTTP.
#[derive(Clone)]
pub(crate) enum Security {
    /// Nothing.
    Plain,
    /// TLS.
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// HTTP/2 heads and HTTP/1 heads alike.
const MAX_HEAD_BYTES: u32 = 64 * 1024;
/// What an HTTP/2 connection may send ahead of the reader.
const MAX_UNREAD_BYTES: u32 = 1024 * 1024;
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What is the same for all requests of a connection.
struct Peer {
    address: SocketAddr,
    transport: Transport,
    encrypted: bool,
    certificates: Arc<[Bytes]>,
    activity: Activity,
}

/// Tells idle connections from busy ones.
#[derive(Default)]
struct Activity {
    in_flight: AtomicUsize,
    since_last_look: AtomicBool,
}

impl Activity {
    fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.since_last_look.store(true, Ordering::Relaxed);
        InFlight(self)
    }

    /// Whether nothing has happened since this was asked last.
    fn was_idle(&self) -> bool {
        let seen = self.since_last_look.swap(false, Ordering::Relaxed);
        !seen && self.in_flight.load(Ordering::Relaxed) == 0
    }
}

struct InFlight<'a>(&'a Activity);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.since_last_look.store(true, Ordering::Relaxed);
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    transport: Transport,
    security: Security,
    shared: &Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    let secured = tokio::select! {
        secured = tokio::time::timeout(shared.limits.header_timeout, secure(stream, security)) => secured??,
        () = stopped(&mut stop) => return Ok(()),
    };
    let peer = Arc::new(Peer {
        address,
        transport,
        encrypted: secured.encrypted,
        certificates: secured.certificates,
        activity: Activity::default(),
    });
    let io = TokioIo::new(PrefaceDeadline::new(
        secured.stream,
        shared.limits.header_timeout,
    ));
    let service = {
        let shared = Arc::clone(shared);
        let peer = Arc::clone(&peer);
        service_fn(move |request| answer(Arc::clone(&shared), Arc::clone(&peer), request))
    };
    let builder = protocol(transport, shared);
    let mut connection = pin!(builder.serve_connection(io, service));

    // An idle connection is seen as such at the second look at the latest, after 1 to 1.5 times the
    // timeout.
    let mut look = tokio::time::interval((shared.limits.idle_timeout / 2).max(MIN_LOOK));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.tick().await;
    let mut idle_looks = 0_u32;
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = look.tick() => {
                idle_looks = if peer.activity.was_idle() { idle_looks + 1 } else { 0 };
                match idle_looks {
                    0 | 1 => {}
                    2 => connection.as_mut().graceful_shutdown(),
                    // It was asked to end and did not: its peer reads nothing.
                    _ => return Err("an idle connection did not end when asked".into()),
                }
            }
        }
    }
}

const MIN_LOOK: Duration = Duration::from_millis(10);

fn protocol(transport: Transport, shared: &Shared) -> auto::Builder<TokioExecutor> {
    let limits = &shared.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEAD_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(MAX_HEAD_BYTES)
        .initial_connection_window_size(MAX_UNREAD_BYTES)
        .initial_stream_window_size(MAX_UNREAD_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    match transport {
        Transport::Http => builder,
        Transport::Grpc => builder.http2_only(),
    }
}

struct Secured {
    stream: Box<dyn Stream>,
    encrypted: bool,
    certificates: Arc<[Bytes]>,
}

async fn secure(stream: TcpStream, security: Security) -> Result<Secured, ConnectionError> {
    match security {
        Security::Plain => Ok(Secured {
            stream: Box::new(stream),
            encrypted: false,
            certificates: Arc::new([]),
        }),
        #[cfg(feature = "tls")]
        Security::Tls(acceptor) => {
            let stream = acceptor.accept(stream).await?;
            let certificates = stream
                .get_ref()
                .1
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|certificate| Bytes::copy_from_slice(certificate))
                .collect();
            Ok(Secured {
                stream: Box::new(stream),
                encrypted: true,
                certificates,
            })
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let _in_flight = peer.activity.begin();
    Counters::add(&shared.counters.requests);
    let (parts, body) = request.into_parts();
    let head = RequestHead {
        transport: peer.transport,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        peer: peer.address,
        encrypted: peer.encrypted,
        client_certificates: Arc::clone(&peer.certificates),
    };
    let response = match peer.transport {
        Transport::Http => http_front::serve(&shared, head, body).await,
        Transport::Grpc => grpc_front::serve(&shared, head, body).await,
    };
    // A gRPC error without a message carries its status in the head.
    let refused = !response.status().is_success() || response.headers().contains_key("grpc-status");
    Counters::add(if refused {
        &shared.counters.refused
    } else {
        &shared.counters.succeeded
    });
    Ok(response)
}
