//! TLS and mTLS for HTTP and gRPC: certificates and keys from files, read when they are needed.

#[cfg(test)]
#[cfg(all(feature = "tls", feature = "otlp-http", feature = "otlp-grpc"))]
mod tests;

use std::error::Error;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use hyper::rt::{Read, ReadBufCursor};
use hyper_util::rt::TokioIo;
use rustls::client::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, RootCertStore};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::cause::{chain, find};
use super::log::lock;
use super::retry::Trouble;
use crate::config::TlsSettings;

/// Files are looked at no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Certificates and keys that cannot be used, or that the other side does not accept. Exports are
/// held back meanwhile: weaker security is no fallback.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CredentialsError(String);

impl CredentialsError {
    pub(super) fn to_trouble(&self) -> Trouble {
        Trouble::credentials(&self.0)
    }

    /// The part of a failed handshake or of a broken connection that is about credentials.
    pub(super) fn from_connection(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(unusable) = find::<Self>(error) {
            return Some(unusable.clone());
        }
        let tls = find::<rustls::Error>(error)?;
        let about_credentials = match tls {
            rustls::Error::InvalidCertificate(_) => true,
            rustls::Error::AlertReceived(alert) => matches!(
                alert,
                AlertDescription::BadCertificate
                    | AlertDescription::UnsupportedCertificate
                    | AlertDescription::CertificateRevoked
                    | AlertDescription::CertificateExpired
                    | AlertDescription::CertificateUnknown
                    | AlertDescription::CertificateRequired
                    | AlertDescription::UnknownCA
                    | AlertDescription::AccessDenied
                    | AlertDescription::DecryptError
            ),
            _ => false,
        };
        about_credentials.then(|| Self(format!("TLS: {tls}")))
    }
}

/// The client's side of TLS for one endpoint.
#[derive(Debug)]
pub(super) struct Credentials {
    settings: TlsSettings,
    alpn: &'static [u8],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    /// What the files looked like when they were read.
    seen: Vec<Option<(SystemTime, u64)>>,
    current: Option<Result<Arc<ClientConfig>, CredentialsError>>,
    /// What a connection broke over lately.
    refusal: Option<CredentialsError>,
}

impl Credentials {
    /// `alpn` is the protocol spoken inside, `http/1.1` or `h2`. Nothing is read yet.
    pub(super) fn new(settings: &TlsSettings, alpn: &'static [u8]) -> Self {
        Self {
            settings: settings.clone(),
            alpn,
            state: Mutex::default(),
        }
    }

    /// What is to be used now. Files that have changed are read anew, and files that could not be
    /// used are tried again, at most once a second.
    pub(super) fn current(&self) -> Result<Arc<ClientConfig>, CredentialsError> {
        let mut state = lock(&self.state);
        if let Some(current) = &state.current
            && state.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY)
        {
            return current.clone();
        }
        state.looked = Some(Instant::now());
        let seen = self.look();
        match &state.current {
            Some(Ok(config)) if state.seen == seen => Ok(Arc::clone(config)),
            _ => {
                let read = self.read();
                state.seen = seen;
                state.current = Some(read.clone());
                read
            }
        }
    }

    /// Speaks TLS on `tcp`.
    pub(super) async fn handshake(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Box<dyn Error + Send + Sync>> {
        let config = self.current()?;
        // A URL has its IPv6 addresses in brackets, a certificate has not.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())?;
        let connected = TlsConnector::from(config).connect(name, tcp).await;
        connected.map_err(|error| match CredentialsError::from_connection(&error) {
            Some(unusable) => unusable.into(),
            None => error.into(),
        })
    }

    /// Keeps `error` if it is about credentials, for whoever asks next.
    fn remember(&self, error: &io::Error) {
        if let Some(refusal) = CredentialsError::from_connection(error) {
            lock(&self.state).refusal = Some(refusal);
        }
    }

    pub(super) fn take_refusal(&self) -> Option<CredentialsError> {
        lock(&self.state).refusal.take()
    }

    fn look(&self) -> Vec<Option<(SystemTime, u64)>> {
        let files = [
            &self.settings.ca_file,
            &self.settings.client_certificate_file,
            &self.settings.client_key_file,
        ];
        let look = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        files.into_iter().flatten().map(|path| look(path)).collect()
    }

    fn read(&self) -> Result<Arc<ClientConfig>, CredentialsError> {
        let builder = ClientConfig::builder_with_provider(provider()?)
            .with_safe_default_protocol_versions()
            .map_err(|error| CredentialsError(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(self.roots()?);
        let files = (
            &self.settings.client_certificate_file,
            &self.settings.client_key_file,
        );
        let mut config = match files {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate, "client certificate")?;
                let secret = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| unusable("client key", key, &error))?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| unusable("client key", key, &error))?
            }
            (Some(certificate), None) => {
                return Err(CredentialsError(format!(
                    "the client certificate {} has no key: set the client key too",
                    certificate.display()
                )));
            }
            (None, Some(key)) => {
                return Err(CredentialsError(format!(
                    "the client key {} has no certificate: set the client certificate too",
                    key.display()
                )));
            }
        };
        config.alpn_protocols = vec![self.alpn.to_vec()];
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, CredentialsError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.settings.ca_file {
            for certificate in certificates(path, "certificate authority")? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable("certificate authority", path, &error))?;
            }
            return Ok(roots);
        }
        let native = rustls_native_certs::load_native_certs();
        // A system's store holds all sorts of things: what cannot be used is left out.
        roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            let why = native.errors.first().map(|error| chain(error));
            return Err(CredentialsError(format!(
                "the system has no trusted certificates ({}): install them, or set the certificate of the receiver's authority",
                why.as_deref().unwrap_or("none found")
            )));
        }
        Ok(roots)
    }
}

/// The process's provider; ring where none is installed, without installing it.
fn provider() -> Result<Arc<CryptoProvider>, CredentialsError> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(Arc::clone(installed));
    }
    #[cfg(feature = "tls")]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(feature = "tls"))]
    Err(CredentialsError(
        "no rustls crypto provider is installed: call CryptoProvider::install_default, or switch on \
         the cargo feature `tls` of otel-enhance"
            .to_owned(),
    ))
}

/// A connection in TLS that remembers why it broke. HTTP/2 forgets it: there an error of the
/// connection ends its streams with one of their own.
#[derive(Debug)]
pub(super) struct Encrypted {
    pub(super) stream: TokioIo<TlsStream<TcpStream>>,
    credentials: Arc<Credentials>,
    /// A write has failed, and we wait for the server's word on it.
    broken: Option<io::Error>,
}

impl Encrypted {
    pub(super) fn new(stream: TlsStream<TcpStream>, credentials: Arc<Credentials>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            credentials,
            broken: None,
        }
    }

    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &read {
            self.credentials.remember(error);
        }
        read
    }

    /// Any of the ways to write. In TLS 1.3 a server refuses the client's certificate after the
    /// handshake, from the client's view: it says so and closes, and then a write may fail before
    /// anything is read. So a failed write waits for what the server said; a closed connection
    /// becomes readable at once.
    pub(super) fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(
            Pin<&mut TokioIo<TlsStream<TcpStream>>>,
            &mut Context<'_>,
        ) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let error = match self.broken.take() {
            Some(error) => error,
            None => match write(Pin::new(&mut self.stream), cx) {
                Poll::Ready(Err(error)) => error,
                written => return written,
            },
        };
        loop {
            let mut bytes = [0; 1024];
            let mut buffer = ReadBuf::new(&mut bytes);
            let tls = Pin::new(self.stream.inner_mut());
            match AsyncRead::poll_read(tls, cx, &mut buffer) {
                Poll::Pending => {
                    self.broken = Some(error);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(Ok(())) => return Poll::Ready(Err(error)),
                Poll::Ready(Err(said)) => {
                    self.credentials.remember(&said);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(what, path, &error))?;
    if certificates.is_empty() {
        return Err(CredentialsError(format!(
            "the {what} {} holds no PEM certificate",
            path.display()
        )));
    }
    Ok(certificates)
}

fn unusable(what: &str, path: &Path, error: &(dyn Error + 'static)) -> CredentialsError {
    CredentialsError(format!(
        "the {what} {} cannot be used: {}",
        path.display(),
        chain(error)
    ))
}
