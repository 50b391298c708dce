//! Connections for HTTP and gRPC: TCP, and TLS on top where the URL asks for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::retry::Trouble;
#[cfg(feature = "tls-no-provider")]
use super::tls::{Credentials, CredentialsError, Encrypted};

/// The longest that one connection may take to open, the TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens connections. Clones share the credentials.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    timeout: Duration,
    /// Where to connect to, whatever the URL's name stands for.
    #[cfg(feature = "performance")]
    address: Option<std::net::SocketAddr>,
    #[cfg(feature = "tls-no-provider")]
    credentials: Option<std::sync::Arc<Credentials>>,
}

impl Connector {
    /// For `http` URLs.
    pub(super) fn plain(export_timeout: Duration) -> Self {
        let timeout = export_timeout.min(CONNECT_TIMEOUT);
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        // A gRPC connection lives on when an export on it times out; if it is the network that
        // swallows our bytes, the system gives it up, and the next export opens another.
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(Duration::from_secs(30)));
        Self {
            tcp,
            timeout,
            #[cfg(feature = "performance")]
            address: None,
            #[cfg(feature = "tls-no-provider")]
            credentials: None,
        }
    }

    /// For `https` URLs.
    #[cfg(feature = "tls-no-provider")]
    pub(super) fn tls(export_timeout: Duration, credentials: Credentials) -> Self {
        let mut connector = Self::plain(export_timeout);
        // The scheme is `https`, which the TCP connector would refuse by itself.
        connector.tcp.enforce_http(false);
        connector.credentials = Some(std::sync::Arc::new(credentials));
        connector
    }

    /// The same, to one address of the name in the URL.
    #[cfg(feature = "performance")]
    pub(super) fn pinned_to(&self, address: std::net::SocketAddr) -> Self {
        Self {
            address: Some(address),
            ..self.clone()
        }
    }

    /// Whether a connection could be opened as far as it depends on us, that is on certificates
    /// and keys. Asked before each attempt, for a connection that is open already does not excuse
    /// credentials which were taken away.
    pub(super) fn ready(&self) -> Result<(), Unready> {
        #[cfg(feature = "tls-no-provider")]
        if let Some(credentials) = &self.credentials {
            credentials.current()?;
        }
        Ok(())
    }

    /// Why the attempt that has just failed did so, if it was for our credentials or the other
    /// side's, whatever the layers in between have made of it.
    pub(super) fn refusal(&self) -> Option<Trouble> {
        #[cfg(feature = "tls-no-provider")]
        if let Some(credentials) = &self.credentials {
            return credentials.take_refusal().map(|error| error.to_trouble());
        }
        None
    }
}

/// The credentials cannot be used; without TLS in this build there are none, and this is never made.
#[cfg(feature = "tls-no-provider")]
pub(super) type Unready = CredentialsError;
#[cfg(not(feature = "tls-no-provider"))]
pub(super) type Unready = std::convert::Infallible;

#[cfg(not(feature = "tls-no-provider"))]
pub(super) fn unready_to_trouble(unready: &Unready) -> Trouble {
    match *unready {}
}
#[cfg(feature = "tls-no-provider")]
pub(super) fn unready_to_trouble(unready: &Unready) -> Trouble {
    unready.to_trouble()
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        #[cfg(feature = "tls-no-provider")]
        let credentials = self.credentials.clone();
        #[cfg(feature = "tls-no-provider")]
        let host = uri.host().unwrap_or_default().to_owned();
        #[cfg(feature = "performance")]
        let uri = match self.address {
            Some(address) => pinned(address).unwrap_or(uri),
            None => uri,
        };
        let tcp = self.tcp.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            let connected = tokio::time::timeout(timeout, async move {
                let tcp = tcp.await?;
                #[cfg(feature = "tls-no-provider")]
                if let Some(credentials) = credentials {
                    let stream = credentials.handshake(&host, tcp.into_inner()).await?;
                    return Ok(Stream::Tls(Box::new(Encrypted::new(stream, credentials))));
                }
                Ok(Stream::Tcp(tcp))
            });
            connected.await.unwrap_or_else(|_| {
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no connection within {timeout:?}"),
                )
                .into())
            })
        })
    }
}

/// A URL of an address alone, which needs no look-up.
#[cfg(feature = "performance")]
fn pinned(address: std::net::SocketAddr) -> Option<Uri> {
    Uri::builder()
        .scheme("http")
        .authority(address.to_string())
        .path_and_query("/")
        .build()
        .ok()
}

/// An open connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TokioIo<TcpStream>),
    #[cfg(feature = "tls-no-provider")]
    Tls(Box<Encrypted>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self {
            Self::Tcp(stream) => stream.connected(),
            #[cfg(feature = "tls-no-provider")]
            Self::Tls(encrypted) => encrypted.stream.inner().get_ref().0.connected(),
        }
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            #[cfg(feature = "tls-no-provider")]
            Self::Tls(encrypted) => encrypted.read(cx, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls-no-provider")]
            Self::Tls(encrypted) => encrypted.write(cx, |stream, cx| stream.poll_write(cx, bytes)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls-no-provider")]
            Self::Tls(encrypted) => encrypted.write(cx, |stream, cx| stream.poll_flush(cx)),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls-no-provider")]
            Self::Tls(encrypted) => Pin::new(&mut encrypted.stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls-no-provider")]
            Self::Tls(encrypted) => encrypted.stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            #[cfg(feature = "tls-no-provider")]
            Self::Tls(encrypted) => {
                encrypted.write(cx, |stream, cx| stream.poll_write_vectored(cx, buffers))
            }
        }
    }
}
