//! Where an exporter of ours sends to, said in code: the official exporters cannot be asked.

use std::time::Duration;

use super::headers;
use crate::InitError;
use crate::config::{Compression, OtlpSettings, Protocol, TlsSettings};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// An OTLP receiver and how it is spoken to. Nothing is read from the environment.
///
/// ```
/// use otel_enhance::config::Compression;
/// use otel_enhance::export::Destination;
///
/// let destination = Destination::http("http://collector:4318/v1/traces")
///     .with_header("x-tenant", "blue")
///     .with_compression(Compression::None);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a destination does nothing until an exporter gets it"]
pub struct Destination {
    settings: OtlpSettings,
}

impl Destination {
    /// OTLP/HTTP with protobuf, posted to this URL as it is, such as
    /// `http://collector:4318/v1/traces` (feature `otlp-http`).
    pub fn http(url: impl Into<String>) -> Self {
        Self::new(Protocol::HttpProtobuf, url.into())
    }

    /// OTLP/HTTP with JSON, posted to this URL as it is (feature `otlp-json`).
    pub fn http_json(url: impl Into<String>) -> Self {
        Self::new(Protocol::HttpJson, url.into())
    }

    /// OTLP/gRPC to this scheme, host and port, such as `http://collector:4317` (feature `otlp-grpc`).
    pub fn grpc(url: impl Into<String>) -> Self {
        Self::new(Protocol::Grpc, url.into())
    }

    fn new(protocol: Protocol, endpoint: String) -> Self {
        Self {
            settings: OtlpSettings {
                protocol,
                endpoint,
                headers: Vec::new(),
                compression: Compression::None,
                timeout: DEFAULT_TIMEOUT,
                tls: TlsSettings::default(),
            },
        }
    }

    /// A header of each request. Repeated calls add up. Default: none.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into().to_ascii_lowercase();
        self.settings.headers.push((name, value.into()));
        self
    }

    /// Compression of requests (features `gzip`, `zstd`). Default: none.
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.settings.compression = compression;
        self
    }

    /// One export, its retries included. Default: 10 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Certificates and keys for an `https` URL (feature `tls`). Default: the system's authorities, and
    /// no client certificate.
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.settings.tls = tls;
        self
    }

    /// What the transports go by.
    pub(crate) fn settings(&self) -> Result<&OtlpSettings, InitError> {
        if self.settings.timeout.is_zero() {
            return Err(InitError::InvalidArgument {
                argument: "timeout",
                value: "0".to_owned(),
                expected: "a duration above zero".to_owned(),
            });
        }
        headers::parse(&self.settings.headers)?;
        Ok(&self.settings)
    }
}
