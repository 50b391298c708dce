//! Running receivers: where they listen, and how they stop.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::builder::ReceiverBuilder;
use crate::error::{ShutdownError, StartError};
use crate::service::{Shared, Stats};

/// A running receiver on the caller's tokio runtime. Dropped, it stops at once and cuts what is in
/// flight; [`shutdown`](Self::shutdown) lets that finish.
pub struct Receiver {
    http: Option<Serving>,
    grpc: Option<Serving>,
    encrypted: bool,
    stop: watch::Sender<bool>,
    shared: Arc<Shared>,
}

/// One listener's task.
pub(crate) struct Serving {
    address: SocketAddr,
    task: JoinHandle<()>,
    open: watch::Receiver<usize>,
}

impl Serving {
    pub(crate) fn new(
        address: SocketAddr,
        task: JoinHandle<()>,
        open: watch::Receiver<usize>,
    ) -> Self {
        Self {
            address,
            task,
            open,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Begins a receiver.
    pub fn builder() -> ReceiverBuilder {
        ReceiverBuilder::default()
    }

    pub(crate) fn new(
        http: Option<Serving>,
        grpc: Option<Serving>,
        encrypted: bool,
        stop: watch::Sender<bool>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            http,
            grpc,
            encrypted,
            stop,
            shared,
        }
    }

    /// Where OTLP/HTTP is served, with the port that was taken; `None` if it is not.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|serving| serving.address)
    }

    /// Where OTLP/gRPC is served, with the port that was taken; `None` if it is not.
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(|serving| serving.address)
    }

    /// The base URL for an exporter over HTTP, such as `http://127.0.0.1:4318`; the path
    /// `/v1/traces` is not in it.
    pub fn http_endpoint(&self) -> Option<String> {
        self.http_addr().map(|address| self.endpoint(address))
    }

    /// The URL for an exporter over gRPC, such as `http://127.0.0.1:4317`.
    pub fn grpc_endpoint(&self) -> Option<String> {
        self.grpc_addr().map(|address| self.endpoint(address))
    }

    fn endpoint(&self, mut address: SocketAddr) -> String {
        // Every interface is also the loopback one, and only that can be connected to by name.
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// Figures since the start.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Figures of tracezip since the start; `None` if it is not taken.
    #[cfg(feature = "tracezip")]
    pub fn tracezip_stats(&self) -> Option<crate::tracezip::TracezipStats> {
        self.shared.tracezip().map(|shards| shards.stats())
    }

    /// Stops listening, lets the requests in flight finish, and returns when all connections have
    /// ended. The ports are free afterwards.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::DeadlineExceeded`] if `deadline` passed first; the rest was cut then, and
    /// the ports are free all the same.
    pub async fn shutdown(mut self, deadline: Duration) -> Result<(), ShutdownError> {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(deadline, self.ended()).await;
        if ended.is_ok() {
            return Ok(());
        }
        let connections = self.servings().map(|serving| *serving.open.borrow()).sum();
        self.cut().await;
        Err(ShutdownError::DeadlineExceeded {
            connections,
            deadline,
        })
    }

    /// Stops at once and waits until the ports are free.
    async fn cut(&mut self) {
        for serving in self.servings() {
            serving.task.abort();
        }
        self.ended().await;
    }

    /// Waits for the tasks that have not ended yet. Cancelled, it can be called again.
    async fn ended(&mut self) {
        for serving in [&mut self.http, &mut self.grpc].into_iter().flatten() {
            // Aborted is ended too. A finished handle must not be awaited again.
            if !serving.task.is_finished() {
                (&mut serving.task).await.ok();
            }
        }
    }

    fn servings(&self) -> impl Iterator<Item = &Serving> {
        [&self.http, &self.grpc].into_iter().flatten()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("http", &self.http_addr())
            .field("grpc", &self.grpc_addr())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Worker threads of a receiver with a runtime of its own: one may be held up by a handler.
const WORKERS: usize = 2;

/// How long a drop waits for the ports to be free; cutting takes no time unless a handler blocks.
const DROP_PATIENCE: Duration = Duration::from_secs(1);

/// A running receiver with threads of its own, for programs and tests without tokio. Dropped, it
/// stops at once.
#[derive(Debug)]
pub struct BlockingReceiver {
    /// `None` once stopped.
    running: Option<(Receiver, Runtime)>,
    http: Option<SocketAddr>,
    grpc: Option<SocketAddr>,
    http_endpoint: Option<String>,
    grpc_endpoint: Option<String>,
    shared: SharedStats,
}

/// Keeps the figures readable.
struct SharedStats(Arc<Shared>);

impl fmt::Debug for SharedStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.stats().fmt(f)
    }
}

impl BlockingReceiver {
    pub(crate) fn start(
        starting: impl Future<Output = Result<Receiver, StartError>> + Send + 'static,
    ) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("otlp-receiver")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let gone = || StartError::Runtime(std::io::Error::other("the runtime ended at its start"));
        let started = run_on(&runtime, starting, None).unwrap_or_else(|| Err(gone()));
        let receiver = match started {
            Ok(receiver) => receiver,
            Err(error) => {
                // Dropping a runtime inside another one panics; this does not.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        Ok(Self {
            http: receiver.http_addr(),
            grpc: receiver.grpc_addr(),
            http_endpoint: receiver.http_endpoint(),
            grpc_endpoint: receiver.grpc_endpoint(),
            shared: SharedStats(Arc::clone(&receiver.shared)),
            running: Some((receiver, runtime)),
        })
    }

    /// See [`Receiver::http_addr`].
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// See [`Receiver::grpc_addr`].
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc
    }

    /// See [`Receiver::http_endpoint`].
    pub fn http_endpoint(&self) -> Option<&str> {
        self.http_endpoint.as_deref()
    }

    /// See [`Receiver::grpc_endpoint`].
    pub fn grpc_endpoint(&self) -> Option<&str> {
        self.grpc_endpoint.as_deref()
    }

    /// Figures since the start.
    pub fn stats(&self) -> Stats {
        self.shared.0.stats()
    }

    /// See [`Receiver::tracezip_stats`].
    #[cfg(feature = "tracezip")]
    pub fn tracezip_stats(&self) -> Option<crate::tracezip::TracezipStats> {
        self.shared.0.tracezip().map(|shards| shards.stats())
    }

    /// See [`Receiver::shutdown`]; blocks the calling thread.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::DeadlineExceeded`] if `deadline` passed first.
    pub fn shutdown(mut self, deadline: Duration) -> Result<(), ShutdownError> {
        let Some((receiver, runtime)) = self.running.take() else {
            return Ok(());
        };
        let result = run_on(&runtime, receiver.shutdown(deadline), None);
        runtime.shutdown_background();
        result.unwrap_or(Ok(()))
    }
}

impl Drop for BlockingReceiver {
    fn drop(&mut self) {
        if let Some((mut receiver, runtime)) = self.running.take() {
            run_on(
                &runtime,
                async move { receiver.cut().await },
                Some(DROP_PATIENCE),
            );
            runtime.shutdown_background();
        }
    }
}

/// Runs a future on `runtime` and waits for it by a channel: `block_on` would panic inside another
/// runtime. `None` if the time is up or the runtime has ended.
fn run_on<T: Send + 'static>(
    runtime: &Runtime,
    future: impl Future<Output = T> + Send + 'static,
    patience: Option<Duration>,
) -> Option<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Whoever stopped waiting has no use for the result.
        sender.send(future.await).ok();
    });
    match patience {
        Some(patience) => receiver.recv_timeout(patience).ok(),
        None => receiver.recv().ok(),
    }
}
