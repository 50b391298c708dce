//! OTLP over HTTP: the official exporter on a client of ours.

mod body;
mod by_hand;
mod client;
mod date;
#[cfg(any(feature = "simd", feature = "performance", feature = "ebpf"))]
mod encoded;
#[cfg(feature = "otlp-json")]
mod json;
#[cfg(any(feature = "performance", feature = "tracezip"))]
mod raw;
mod record;
mod response;
#[cfg(test)]
mod tests;

#[cfg(feature = "tracezip")]
pub(crate) use body::undo;
pub use by_hand::{EnhancedHttpClient, EnhancedHttpClientBuilder};
#[cfg(any(feature = "simd", feature = "performance", feature = "ebpf"))]
pub(super) use encoded::carrier;
#[cfg(any(feature = "performance", feature = "tracezip"))]
pub(super) use raw::RawHttp;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, Response, Uri};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use self::client::{Parcel, Transport};
use self::record::Record;
use super::connect::Connector;
use super::erased::Shared;
use super::retry::{Backoff, Courier};
use super::sink::{Failure, Outcome, Sink};
use crate::InitError;
use crate::config::{Compression, OtlpSettings};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
#[cfg(feature = "otlp-json")]
const JSON: HeaderValue = HeaderValue::from_static("application/json");

const OUR_USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("otel-enhance/", env!("CARGO_PKG_VERSION")));

/// What written requests of `protocol` are.
#[cfg(any(feature = "simd", feature = "performance", feature = "ebpf"))]
fn content_type(protocol: crate::config::Protocol) -> HeaderValue {
    match protocol {
        #[cfg(feature = "otlp-json")]
        crate::config::Protocol::HttpJson => JSON,
        _ => PROTOBUF,
    }
}

/// The exporter for `settings`, which name HTTP.
pub(super) fn sink(
    settings: &OtlpSettings,
    connector: Connector,
    backoff: Backoff,
    shared: &Shared,
) -> Result<Box<dyn Sink>, InitError> {
    let client = OtlpClient::new(settings, connector, backoff, shared)?;
    #[cfg(feature = "otlp-json")]
    if settings.protocol == crate::config::Protocol::HttpJson {
        return Ok(Box::new(HttpSink {
            exporter: json::JsonExporter::new(client),
        }));
    }
    Ok(Box::new(HttpSink {
        exporter: official(settings, client)?,
    }))
}

/// The official exporter, every value explicit: what is left out, it reads from the environment.
fn official(
    settings: &OtlpSettings,
    client: OtlpClient,
) -> Result<opentelemetry_otlp::SpanExporter, InitError> {
    let builder = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_endpoint(settings.endpoint.clone())
        // Ours keeps the time; this one only must not be read from the environment.
        .with_timeout(settings.timeout)
        .with_retry_policy(RetryPolicy::disabled())
        .with_http_client(client);
    let builder = match settings.compression {
        Compression::Gzip => builder.with_compression(opentelemetry_otlp::Compression::Gzip),
        Compression::Zstd => builder.with_compression(opentelemetry_otlp::Compression::Zstd),
        // There is no explicit "none": the client undoes what the environment may have asked for.
        Compression::None => builder,
    };
    builder.build().map_err(|error| InitError::Exporter {
        protocol: "OTLP/HTTP",
        source: Box::new(error),
    })
}

/// Delivers the requests of one exporter to the one place that its settings name.
#[derive(Debug)]
struct OtlpClient {
    transport: Transport,
    courier: Courier,
    uri: Uri,
    /// From the settings alone: the official exporter mixes in what it found in the environment.
    headers: HeaderMap,
    compression: Compression,
    shared: Shared,
    notices: response::Notices,
}

impl OtlpClient {
    fn new(
        settings: &OtlpSettings,
        connector: Connector,
        backoff: Backoff,
        shared: &Shared,
    ) -> Result<Self, InitError> {
        Ok(Self {
            transport: Transport::new(connector),
            courier: Courier::new(settings.timeout, backoff, Arc::clone(&shared.delivery)),
            uri: endpoint(&settings.endpoint)?,
            headers: headers(&settings.headers)?,
            compression: settings.compression,
            shared: shared.clone(),
            notices: response::Notices::default(),
        })
    }

    /// Sends `body`, which carries so many spans, until it is delivered or given up.
    async fn deliver(
        &self,
        content_type: HeaderValue,
        encoding: Option<HeaderValue>,
        body: Bytes,
        spans: u64,
    ) -> Result<(Response<Bytes>, Outcome), Failure> {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, content_type.clone());
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, encoding);
        }
        let parcel = Parcel {
            uri: self.uri.clone(),
            headers,
            body,
        };
        let response = self
            .courier
            .deliver(spans, || self.transport.attempt(&parcel))
            .await?;
        let outcome =
            response::outcome(&content_type, response.body(), &self.notices, &self.shared);
        Ok((response, outcome))
    }

    /// The same for an exporter which reports texts only: the record has the outcome in any case.
    async fn send(
        &self,
        content_type: HeaderValue,
        encoding: Option<HeaderValue>,
        body: Bytes,
    ) -> Result<Response<Bytes>, HttpError> {
        let record = Record::current();
        let spans = record.spans();
        match self.deliver(content_type, encoding, body, spans).await {
            Ok((response, outcome)) => {
                record.write(outcome);
                Ok(response)
            }
            Err(failure) => {
                let error = failure.detail.clone().into();
                record.write(Outcome::Dropped(failure));
                Err(error)
            }
        }
    }
}

#[async_trait]
impl HttpClient for OtlpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let encoding = parts.headers.get(CONTENT_ENCODING).cloned();
        let (body, encoding) = body::as_asked(
            body,
            encoding,
            self.compression,
            &self.notices,
            &self.shared,
        );
        self.send(PROTOBUF, encoding, body).await
    }
}

/// An exporter on an [`OtlpClient`], whose outcome comes from the client.
#[derive(Debug)]
struct HttpSink<E> {
    exporter: E,
}

impl<E: SpanExporter> Sink for HttpSink<E> {
    fn export(&self, batch: Vec<SpanData>) -> BoxFuture<'_, Outcome> {
        let spans = batch.len() as u64;
        Box::pin(Record::of(spans, async move {
            self.exporter.export(batch).await
        }))
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The URL to post to.
fn endpoint(text: &str) -> Result<Uri, InitError> {
    let invalid = |expected: &str| InitError::InvalidArgument {
        argument: "endpoint",
        value: text.to_owned(),
        expected: expected.to_owned(),
    };
    let uri: Uri = text
        .parse()
        .map_err(|_| invalid("a URL such as http://localhost:4318/v1/traces"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        _ => Err(invalid(
            "a URL with scheme and host, such as http://localhost:4318/v1/traces",
        )),
    }
}

/// The settings' headers; the user agent unless they bring their own.
fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, InitError> {
    let mut headers = super::headers::parse(pairs)?;
    headers.entry(USER_AGENT).or_insert(OUR_USER_AGENT);
    Ok(headers)
}
