//! Our client for people who build the official exporter themselves.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};

use super::super::connect::Connector;
use super::super::log::{ErrorHandler, Log, Outage};
use super::super::report::Delivery;
use super::super::retry::{Backoff, Courier};
use super::super::runtime::ExportRuntime;
use super::client::{Parcel, Transport};
use crate::InitError;
use crate::config::TlsSettings;

/// The time for one export with its retries, unless [`with_timeout`] says otherwise.
///
/// [`with_timeout`]: EnhancedHttpClientBuilder::with_timeout
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP client of this crate, for an official OTLP/HTTP exporter that is built by hand.
///
/// It works on any thread, in a tokio runtime and outside one, and outlives the runtime that it was
/// built in. It keeps connections alive, retries what the OTLP specification calls retryable,
/// waits as `Retry-After` asks, follows no redirects, and reads at most 1 MiB of an answer. Proxy
/// variables of the environment are not supported. URL, headers and compression are the exporter's.
///
/// Build the exporter with `RetryPolicy::disabled()`: two that retry multiply.
///
/// ```
/// use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
/// use otel_enhance::export::EnhancedHttpClient;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = SpanExporter::builder()
///     .with_http()
///     .with_http_client(EnhancedHttpClient::builder().build()?)
///     .with_retry_policy(RetryPolicy::disabled())
///     .with_endpoint("http://localhost:4318/v1/traces")
///     .build()?;
/// # drop(exporter);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EnhancedHttpClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    plain: Transport,
    #[cfg(feature = "tls-no-provider")]
    tls: Transport,
    courier: Courier,
    runtime: ExportRuntime,
    log: Log,
    outage: Outage,
}

/// Settles what an [`EnhancedHttpClient`] does.
#[derive(Default)]
#[must_use]
pub struct EnhancedHttpClientBuilder {
    timeout: Option<Duration>,
    tls: TlsSettings,
    handler: Option<ErrorHandler>,
}

impl std::fmt::Debug for EnhancedHttpClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnhancedHttpClientBuilder")
            .field("timeout", &self.timeout)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl EnhancedHttpClient {
    /// Begins a client.
    pub fn builder() -> EnhancedHttpClientBuilder {
        EnhancedHttpClientBuilder::default()
    }
}

impl EnhancedHttpClientBuilder {
    /// The time for one export, its retries included. Default: 10 s; no variable of the environment
    /// is read.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Certificates and keys for `https` URLs (feature `tls` or `tls-no-provider`). Default: the
    /// system's authorities, and no client certificate.
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// Takes the messages that go to stderr otherwise.
    pub fn with_error_handler(mut self, handler: ErrorHandler) -> Self {
        self.handler = Some(handler);
        self
    }

    /// Starts the client.
    ///
    /// # Errors
    ///
    /// [`InitError::Runtime`] if its thread cannot be started; [`InitError::FeatureMissing`] if
    /// there are certificates and this build has no TLS.
    pub fn build(self) -> Result<EnhancedHttpClient, InitError> {
        if self.tls != TlsSettings::default() && !cfg!(feature = "tls-no-provider") {
            return Err(InitError::FeatureMissing {
                argument: "tls",
                feature: "tls",
            });
        }
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let inner = Inner {
            plain: Transport::new(Connector::plain(timeout)),
            #[cfg(feature = "tls-no-provider")]
            tls: Transport::new(Connector::tls(
                timeout,
                super::super::tls::Credentials::new(&self.tls, b"http/1.1"),
            )),
            courier: Courier::new(timeout, Backoff::default(), Arc::new(Delivery::default())),
            runtime: ExportRuntime::new()?,
            log: Log::with_handler(self.handler),
            outage: Outage::new("exports by hand over HTTP"),
        };
        Ok(EnhancedHttpClient {
            inner: Arc::new(inner),
        })
    }
}

impl Inner {
    async fn deliver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let transport = match parts.uri.scheme_str() {
            #[cfg(feature = "tls-no-provider")]
            Some("https") => &self.tls,
            #[cfg(not(feature = "tls-no-provider"))]
            Some("https") => {
                let needs = "an https URL needs the cargo feature `tls` of otel-enhance";
                self.outage.failed(&self.log, needs, 0);
                return Err(needs.into());
            }
            _ => &self.plain,
        };
        let parcel = Parcel {
            uri: parts.uri,
            headers: parts.headers,
            body,
        };
        let sent = self.courier.deliver(0, || transport.attempt(&parcel)).await;
        match sent {
            Ok(response) => {
                self.outage.worked(&self.log, 0);
                Ok(response)
            }
            Err(failure) => {
                self.outage.failed(&self.log, &failure.detail, 0);
                // The trait wants refusals as responses; what is no status is an error.
                match failure.http_status.map(StatusCode::from_u16) {
                    Some(Ok(status)) => {
                        let mut response = Response::new(Bytes::new());
                        *response.status_mut() = status;
                        Ok(response)
                    }
                    _ => Err(failure.detail.into()),
                }
            }
        }
    }
}

#[async_trait]
impl HttpClient for EnhancedHttpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let runtime = self.inner.runtime.clone();
        runtime.enter_each_poll(self.inner.deliver(request)).await
    }
}
