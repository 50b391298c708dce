//! TCP, and TLS on top where the endpoint asks for it.
//!
//! The provider is ring, passed along and never installed as the process's default.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::config::{OtlpOutput, OutputTls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the client's side of TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Certificates and key are not usable together.
    #[error("the certificates are not usable: {0}")]
    Rustls(#[from] rustls::Error),
    /// The name that the server's certificate must have is none.
    #[error("`{name}` is no name that a certificate can have: {source}")]
    Name {
        /// As configured.
        name: String,
        /// What is wrong with it.
        source: InvalidDnsNameError,
    },
    /// There are no authorities to trust.
    #[error("the system has no certificates to trust: name some by `tls.ca_file`")]
    NoAuthorities,
}

/// Opens connections. Clones share the credentials.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    timeout: Duration,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.name).finish()
    }
}

impl Connector {
    pub(super) fn new(config: &OtlpOutput) -> Result<Self, TlsError> {
        let timeout = config.timeout.min(CONNECT_TIMEOUT);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(Duration::from_secs(30)));
        let tls = config
            .endpoint
            .is_encrypted()
            .then(|| Tls::new(config))
            .transpose()?;
        Ok(Self { tcp, timeout, tls })
    }
}

impl Tls {
    fn new(config: &OtlpOutput) -> Result<Self, TlsError> {
        let alpn: &[u8] = if config.endpoint.grpc {
            b"h2"
        } else {
            b"http/1.1"
        };
        let mut client = client(&config.tls)?;
        client.alpn_protocols = vec![alpn.to_vec()];
        let host = config.endpoint.uri.host().unwrap_or_default();
        let name = config
            .tls
            .server_name
            .as_deref()
            // An IPv6 address has brackets in a URL, and none in a certificate.
            .unwrap_or_else(|| host.trim_start_matches('[').trim_end_matches(']'))
            .to_owned();
        let name =
            ServerName::try_from(name.clone()).map_err(|source| TlsError::Name { name, source })?;
        Ok(Self {
            config: Arc::new(client),
            name,
        })
    }
}

/// The configuration of a client, without protocols.
pub(crate) fn client(config: &OutputTls) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match &config.ca {
        Some(authorities) => authorities.roots()?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let identity = config.identity.as_ref().and_then(|(chain, key)| {
        // Both were read when the configuration was.
        Some((chain.chain(), key.key()?))
    });
    Ok(match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    })
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Single certificates of the system's that cannot be read are nothing that we could mend.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    Ok(roots)
}

impl Service<Uri> for Connector {
    type Response = Box<dyn Io>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Box<dyn Io>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tcp = self.tcp.call(uri);
        let tls = self.tls.clone();
        let timeout = self.timeout;
        Box::pin(async move {
            let connected = tokio::time::timeout(timeout, async move {
                let tcp = tcp.await?;
                let Some(tls) = tls else {
                    return Ok::<Box<dyn Io>, BoxError>(Box::new(tcp));
                };
                let stream = TlsConnector::from(tls.config)
                    .connect(tls.name, tcp.into_inner())
                    .await?;
                Ok(Box::new(TokioIo::new(stream)))
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

/// An open connection, plain or encrypted.
pub(super) trait Io: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Io for T {}

impl Connection for Box<dyn Io> {
    /// Which version of HTTP is spoken is known beforehand, and of where it leads nobody asks.
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
