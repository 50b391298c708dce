//! What a pipeline is built from, after code, environment and defaults have been laid over one
//! another. Everything below this module works on explicit values and reads no environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

use super::performance::Tuning;

/// How OTLP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// OTLP/HTTP with protobuf bodies (`http/protobuf`).
    HttpProtobuf,
    /// OTLP/HTTP with JSON bodies (`http/json`, feature `otlp-json`).
    HttpJson,
    /// OTLP/gRPC (`grpc`, feature `otlp-grpc`).
    Grpc,
}

/// Compression of export requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Bytes as they are.
    None,
    /// gzip (feature `gzip`).
    Gzip,
    /// Zstandard (feature `zstd`).
    Zstd,
}

/// Where certificates and keys come from (PEM).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSettings {
    /// Trusted roots. `None`: the system's. `OTEL_EXPORTER_OTLP_(TRACES_)CERTIFICATE`.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate chain, for mTLS. `OTEL_EXPORTER_OTLP_(TRACES_)CLIENT_CERTIFICATE`.
    pub client_certificate_file: Option<PathBuf>,
    /// The client's private key, for mTLS. `OTEL_EXPORTER_OTLP_(TRACES_)CLIENT_KEY`.
    pub client_key_file: Option<PathBuf>,
}

/// The destination of OTLP, complete: nothing is read from the environment any more.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct OtlpSettings {
    /// How it travels.
    pub protocol: Protocol,
    /// The full URL that is posted to (HTTP, with `/v1/traces`), or scheme and authority (gRPC).
    pub endpoint: String,
    /// Sent with each request; names are lower case, valid and unique, values are ASCII. Those that
    /// the transport sets itself (`content-type`, `grpc-…`) are never among them.
    pub headers: Vec<(String, String)>,
    /// Compression of requests.
    pub compression: Compression,
    /// One export, its retries included. 1 ms to 24 h.
    pub timeout: Duration,
    /// Certificates and keys.
    pub tls: TlsSettings,
}

impl fmt::Debug for OtlpSettings {
    /// Header values are masked: they are credentials more often than not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpSettings")
            .field("protocol", &self.protocol)
            .field("endpoint", &super::endpoint::masked(&self.endpoint))
            .field("headers", &Masked(&self.headers))
            .field("compression", &self.compression)
            .field("timeout", &self.timeout)
            .field("tls", &self.tls)
            .finish()
    }
}

/// Headers as they may be logged.
struct Masked<'a>(&'a [(String, String)]);

impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(name, _)| (name, "***")))
            .finish()
    }
}

/// What comes out of the end of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExporterKind {
    Otlp,
    Stdout,
    None,
    /// The exporter that the user gave to the builder.
    Custom,
}

/// The batch processor's bounds (`OTEL_BSP_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchSettings {
    /// Spans held before new ones are dropped and counted. `OTEL_BSP_MAX_QUEUE_SIZE`, default 2048, 1 to 1,048,576.
    pub max_queue_size: usize,
    /// Spans in one export. `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, default 512, 1 to `max_queue_size`.
    pub max_export_batch_size: usize,
    /// Between two exports. `OTEL_BSP_SCHEDULE_DELAY`, default 5 s, 1 ms to 24 h.
    pub scheduled_delay: Duration,
    /// One export. `OTEL_BSP_EXPORT_TIMEOUT`, default 30 s, 1 ms to 24 h (0 in the environment: 24 h).
    pub export_timeout: Duration,
}

/// Limits by count and by length (`OTEL_SPAN_*`, `OTEL_ATTRIBUTE_*`, `OTEL_EVENT_*`, `OTEL_LINK_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanLimits {
    /// Attributes of a span. Default 128.
    pub attributes_per_span: u32,
    /// Events of a span. Default 128.
    pub events_per_span: u32,
    /// Links of a span. Default 128.
    pub links_per_span: u32,
    /// Attributes of an event. Default 128.
    pub attributes_per_event: u32,
    /// Attributes of a link. Default 128.
    pub attributes_per_link: u32,
    /// Characters of a string value, in elements of arrays too. Default: no limit.
    pub attribute_value_length: Option<u32>,
}

/// The sampler by name; a sampler given in code as an object replaces it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SamplerChoice {
    AlwaysOn,
    AlwaysOff,
    TraceIdRatio(f64),
    ParentBasedAlwaysOn,
    ParentBasedAlwaysOff,
    ParentBasedTraceIdRatio(f64),
}

/// One of `OTEL_PROPAGATORS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagator {
    TraceContext,
    Baggage,
}

/// What code asked for; `None` leaves it to the environment and the default.
#[derive(Default)]
pub(crate) struct Overrides {
    pub(crate) service_name: Option<String>,
    pub(crate) service_version: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) resource_attributes: Vec<KeyValue>,
    pub(crate) resource: Option<Resource>,
    pub(crate) exporter: Option<ExporterKind>,
    pub(crate) protocol: Option<Protocol>,
    /// Equal ones. More than one only with `performance`.
    pub(crate) endpoints: Option<Vec<String>>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) compression: Option<Compression>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) tls: TlsSettings,
    pub(crate) sampler: Option<SamplerChoice>,
    pub(crate) propagators: Option<Vec<Propagator>>,
    pub(crate) max_queue_size: Option<usize>,
    pub(crate) max_export_batch_size: Option<usize>,
    pub(crate) scheduled_delay: Option<Duration>,
    pub(crate) export_timeout: Option<Duration>,
    /// `Some` if the extension holds ended spans.
    pub(crate) performance: Option<Tuning>,
    pub(crate) attributes_per_span: Option<u32>,
    pub(crate) events_per_span: Option<u32>,
    pub(crate) links_per_span: Option<u32>,
    pub(crate) attributes_per_event: Option<u32>,
    pub(crate) attributes_per_link: Option<u32>,
    pub(crate) attribute_value_length: Option<u32>,
}

impl Overrides {
    /// Whether OTLP may be what is exported.
    pub(crate) fn may_send_otlp(&self) -> bool {
        matches!(self.exporter, None | Some(ExporterKind::Otlp))
    }
}

impl fmt::Debug for Overrides {
    /// What identifies a pipeline; header values are masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = self.endpoints.iter().flatten();
        let endpoints: Vec<_> = endpoints.map(|url| super::endpoint::masked(url)).collect();
        f.debug_struct("Overrides")
            .field("service_name", &self.service_name)
            .field("exporter", &self.exporter)
            .field("protocol", &self.protocol)
            .field("endpoints", &endpoints)
            .field("headers", &Masked(&self.headers))
            .field("sampler", &self.sampler)
            .finish_non_exhaustive()
    }
}

/// Everything resolved.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `OTEL_SDK_DISABLED=true`: propagators are set, nothing is recorded.
    pub(crate) disabled: bool,
    pub(crate) resource: Resource,
    /// Usually one; `OTEL_TRACES_EXPORTER` may name several (`otlp,console`).
    pub(crate) exporters: Vec<ExporterKind>,
    pub(crate) otlp: OtlpSettings,
    /// Receivers that are as good as that one, with other addresses.
    pub(crate) equal_otlp: Vec<OtlpSettings>,
    pub(crate) sampler: SamplerChoice,
    pub(crate) propagators: Vec<Propagator>,
    pub(crate) batch: BatchSettings,
    /// `Some` if the extension holds ended spans.
    pub(crate) performance: Option<Tuning>,
    pub(crate) limits: SpanLimits,
}
