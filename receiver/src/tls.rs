//! TLS and mTLS, by rustls with the ring provider, which is passed along and never installed as
//! the process's default: the host may have a provider of its own.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// Why certificates and keys do not make a TLS server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The text is no PEM, or holds nothing of the kind that was expected.
    #[error("the {what} is not readable as PEM: {source}")]
    Pem {
        /// Which input: `server certificate`, `server key` or `client CA`.
        what: &'static str,
        /// What the parser said.
        source: pem::Error,
    },
    /// A PEM file without a certificate in it.
    #[error("the {what} holds no certificate: expected a PEM block `BEGIN CERTIFICATE`")]
    Empty {
        /// Which input: `server certificate` or `client CA`.
        what: &'static str,
    },
    /// Certificate and key do not fit each other, or a certificate is not acceptable.
    #[error("the certificates are not usable: {0}")]
    Rustls(#[from] rustls::Error),
    /// The client CA cannot verify anybody.
    #[error("the client CA is not usable: {0}")]
    ClientCa(#[from] rustls::server::VerifierBuilderError),
}

/// The TLS side of a receiver.
///
/// ```no_run
/// use otel_enhance_receiver::{Receiver, ServerTls};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = ServerTls::from_pem(&std::fs::read("server.pem")?, &std::fs::read("server.key")?)?
///     .with_client_ca(&std::fs::read("clients-ca.pem")?)?;
/// let receiver = Receiver::builder()
///     .with_grpc("0.0.0.0:4317")
///     .with_tls(tls)
///     .start_blocking()?;
/// # drop(receiver);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ServerTls {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_ca: Option<RootCertStore>,
}

impl ServerTls {
    /// A server that shows this certificate chain, its own certificate first.
    ///
    /// # Errors
    ///
    /// [`TlsError::Pem`] and [`TlsError::Empty`] if the texts hold no certificate or no key.
    /// Whether the two belong together is found when the receiver starts, or by [`check`](Self::check).
    pub fn from_pem(certificate_chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self {
            chain: certificates("server certificate", certificate_chain)?,
            key: PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Pem {
                what: "server key",
                source,
            })?,
            client_ca: None,
        })
    }

    /// Demands of every client a certificate that one of these authorities has signed.
    ///
    /// # Errors
    ///
    /// [`TlsError::Pem`], [`TlsError::Empty`] and [`TlsError::Rustls`] if there is no usable
    /// certificate in it.
    pub fn with_client_ca(mut self, certificates_pem: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("client CA", certificates_pem)? {
            roots.add(certificate)?;
        }
        self.client_ca = Some(roots);
        Ok(self)
    }

    /// Finds what a receiver would find when it starts.
    ///
    /// # Errors
    ///
    /// [`TlsError::Rustls`] if certificate and key do not belong together, or one is not acceptable;
    /// [`TlsError::ClientCa`] if the authorities can verify nobody.
    pub fn check(&self) -> Result<(), TlsError> {
        self.config(&[]).map(|_| ())
    }

    /// The configuration for one listener, with the protocols it speaks.
    pub(crate) fn config(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(roots) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider)
                    .build()?,
            ),
        };
        let mut config = builder.with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { what, source })?;
    if found.is_empty() {
        return Err(TlsError::Empty { what });
    }
    Ok(found)
}
