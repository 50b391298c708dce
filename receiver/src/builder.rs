//! Configuring and starting a receiver.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::budget::Budget;
use crate::connection::Security;
use crate::error::StartError;
use crate::handle::{BlockingReceiver, Receiver, Serving};
use crate::handler::{DynHandler, Handler};
use crate::hook::Hook;
use crate::limits::Limits;
use crate::listener;
use crate::outcome::Outcome;
use crate::request::{Request, Transport};
use crate::service::{Counters, Shared};

/// Configures a [`Receiver`]; made by [`Receiver::builder`].
#[must_use = "a receiver listens once `start` or `start_blocking` was called"]
pub struct ReceiverBuilder {
    http: Option<String>,
    grpc: Option<String>,
    limits: Limits,
    undecoded: bool,
    handler: Arc<dyn DynHandler>,
    hook: Option<Arc<dyn Hook>>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::ServerTls>,
    #[cfg(feature = "tracezip")]
    tracezip: Option<crate::tracezip::Tracezip>,
}

impl Default for ReceiverBuilder {
    fn default() -> Self {
        Self {
            http: None,
            grpc: None,
            limits: Limits::default(),
            undecoded: false,
            handler: Arc::new(|_: Request| std::future::ready(Outcome::Accepted)),
            hook: None,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tracezip")]
            tracezip: None,
        }
    }
}

impl ReceiverBuilder {
    /// Serves OTLP/HTTP at `HOST:PORT`; port 0 takes a free one. Default: not served.
    pub fn with_http(mut self, address: impl Into<String>) -> Self {
        self.http = Some(address.into());
        self
    }

    /// Serves OTLP/gRPC at `HOST:PORT`; port 0 takes a free one. Default: not served.
    pub fn with_grpc(mut self, address: impl Into<String>) -> Self {
        self.grpc = Some(address.into());
        self
    }

    /// Gives the requests to `handler`. Default: everything is accepted and forgotten.
    pub fn with_handler(self, handler: impl Handler) -> Self {
        self.with_shared_handler(Arc::new(handler))
    }

    /// Gives the requests to a handler that is chosen at run time or shared.
    pub fn with_shared_handler(mut self, handler: Arc<dyn DynHandler>) -> Self {
        self.handler = handler;
        self
    }

    /// Shows every request to `hook` before its body is read. Default: none.
    pub fn with_hook(self, hook: impl Hook) -> Self {
        self.with_shared_hook(Arc::new(hook))
    }

    /// The same with a hook that is chosen at run time or shared.
    pub fn with_shared_hook(mut self, hook: Arc<dyn Hook>) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Sets the bounds. Default: [`Limits::default`].
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Leaves requests in protobuf undecoded: their outline is checked and their spans are counted,
    /// and [`Request::message`] is empty. For whoever passes [`Request::body`] on as it came.
    pub fn with_undecoded_messages(mut self) -> Self {
        self.undecoded = true;
        self
    }

    /// Serves over TLS only, on both transports. Default: plain text.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self, tls: crate::tls::ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Takes tracezip as well. Default: not taken, and senders are told so.
    #[cfg(feature = "tracezip")]
    pub fn with_tracezip(mut self, tracezip: crate::tracezip::Tracezip) -> Self {
        self.tracezip = Some(tracezip);
        self
    }

    /// Listens, on the tokio runtime of the caller.
    ///
    /// # Errors
    ///
    /// [`StartError`] if no address was given, one cannot be bound, the certificates do not fit, or
    /// there is no tokio runtime.
    pub async fn start(self) -> Result<Receiver, StartError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(StartError::NoRuntime);
        }
        if self.http.is_none() && self.grpc.is_none() {
            return Err(StartError::NoAddress);
        }
        let http_security = self.security(&[b"h2", b"http/1.1"])?;
        let grpc_security = self.security(&[b"h2"])?;
        let encrypted = self.is_encrypted();
        // Both are bound before either is served.
        let http = bind("HTTP", self.http.as_deref()).await?;
        let grpc = bind("gRPC", self.grpc.as_deref()).await?;

        #[cfg(feature = "tracezip")]
        let tracezip = self.tracezip.map(|settings| {
            let shards = crate::tracezip::Shards::new(&settings, &self.limits);
            tokio::spawn(crate::tracezip::sweep_while_alive(
                Arc::downgrade(&shards),
                settings.idle_timeout,
            ));
            shards
        });
        let shared = Arc::new(Shared {
            budget: Budget::new(self.limits.max_memory_bytes),
            limits: self.limits,
            undecoded: self.undecoded,
            counters: Counters::default(),
            handler: self.handler,
            hook: self.hook,
            #[cfg(feature = "tracezip")]
            tracezip,
        });
        let (stop, stopping) = watch::channel(false);
        let serve = |bound: Option<(TcpListener, SocketAddr)>, transport, security| {
            let (listener, address) = bound?;
            let (open_sender, open) = watch::channel(0);
            let run = listener::run(
                listener,
                transport,
                security,
                Arc::clone(&shared),
                stopping.clone(),
                open_sender,
            );
            Some(Serving::new(address, tokio::spawn(run), open))
        };
        let http = serve(http, Transport::Http, http_security);
        let grpc = serve(grpc, Transport::Grpc, grpc_security);
        Ok(Receiver::new(http, grpc, encrypted, stop, shared))
    }

    /// Listens, on a runtime and threads of its own: for tests and programs without tokio. The call
    /// works inside other runtimes too.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and [`StartError::Runtime`] if the threads cannot be made.
    pub fn start_blocking(self) -> Result<BlockingReceiver, StartError> {
        BlockingReceiver::start(self.start())
    }
}

impl ReceiverBuilder {
    #[cfg(feature = "tls")]
    fn security(&self, alpn: &[&[u8]]) -> Result<Security, StartError> {
        Ok(match &self.tls {
            Some(tls) => Security::Tls(tls.config(alpn)?.into()),
            None => Security::Plain,
        })
    }

    #[cfg(feature = "tls")]
    fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unnecessary_wraps, reason = "with TLS it can fail")]
    fn security(&self, _alpn: &[&[u8]]) -> Result<Security, StartError> {
        Ok(Security::Plain)
    }

    #[cfg(not(feature = "tls"))]
    fn is_encrypted(&self) -> bool {
        false
    }
}

async fn bind(
    transport: &'static str,
    address: Option<&str>,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let error = |source| StartError::Bind {
        transport,
        address: address.to_owned(),
        source,
    };
    // tokio sets SO_REUSEADDR on Unix, so a port is free again as soon as its receiver has stopped.
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let local = listener.local_addr().map_err(error)?;
    Ok(Some((listener, local)))
}

impl std::fmt::Debug for ReceiverBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiverBuilder")
            .field("http", &self.http)
            .field("grpc", &self.grpc)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
