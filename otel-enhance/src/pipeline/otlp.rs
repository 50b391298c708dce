//! Where spans go, and how they travel.

use std::path::PathBuf;
use std::time::Duration;

use super::builder::EnhancedPipeline;
use crate::config::{Compression, ExporterKind, Protocol, TlsSettings};

/// The destination.
impl EnhancedPipeline {
    /// OTLP over HTTP with protobuf bodies (feature `otlp-http`). Environment:
    /// `OTEL_TRACES_EXPORTER=otlp` and `OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL=http/protobuf`. This is
    /// the default.
    pub fn with_otlp_http(self) -> Self {
        self.with_protocol(Protocol::HttpProtobuf)
    }

    /// OTLP over gRPC (feature `otlp-grpc`). Environment: `OTEL_TRACES_EXPORTER=otlp` and
    /// `OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL=grpc`.
    pub fn with_otlp_grpc(self) -> Self {
        self.with_protocol(Protocol::Grpc)
    }

    /// OTLP over the protocol of choice. Environment: `OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL`. Default:
    /// [`Protocol::HttpProtobuf`].
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.overrides.exporter = Some(ExporterKind::Otlp);
        self.overrides.protocol = Some(protocol);
        self.exporter = None;
        self
    }

    /// Spans as text on stdout. Environment: `OTEL_TRACES_EXPORTER=console`.
    pub fn with_stdout_exporter(mut self) -> Self {
        self.overrides.exporter = Some(ExporterKind::Stdout);
        self.exporter = None;
        self
    }

    /// Exports nothing; sampling, propagation and the application's own processors go on.
    /// Environment: `OTEL_TRACES_EXPORTER=none`.
    pub fn with_no_exporter(mut self) -> Self {
        self.overrides.exporter = Some(ExporterKind::None);
        self.exporter = None;
        self
    }

    /// The receiver's address, such as `http://collector:4318`. Over HTTP, `/v1/traces` is appended
    /// where the path does not end with it. Environment: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` (taken as
    /// it is), `OTEL_EXPORTER_OTLP_ENDPOINT`. Default: `http://localhost:4318`, over gRPC
    /// `http://localhost:4317`.
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.overrides.endpoints = Some(vec![url.into()]);
        self
    }

    /// A header of each export request. It wins over the same header in
    /// `OTEL_EXPORTER_OTLP_(TRACES_)HEADERS`. Repeated calls add up. Default: none.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.headers.push((name.into(), value.into()));
        self
    }

    /// Compression of export requests (features `gzip`, `zstd`). Environment:
    /// `OTEL_EXPORTER_OTLP_(TRACES_)COMPRESSION`. Default: none.
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.overrides.compression = Some(compression);
        self
    }

    /// One export, its retries included. Environment: `OTEL_EXPORTER_OTLP_(TRACES_)TIMEOUT`, in
    /// milliseconds. Default: 10 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.overrides.timeout = Some(timeout);
        self
    }

    /// Certificates and keys, all at once (feature `tls`); the following methods set one each.
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.overrides.tls = tls;
        self
    }

    /// The roots to trust, in PEM. Environment: `OTEL_EXPORTER_OTLP_(TRACES_)CERTIFICATE`. Default: the
    /// system's.
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.overrides.tls.ca_file = Some(path.into());
        self
    }

    /// The client's certificate chain for mTLS, in PEM. Environment:
    /// `OTEL_EXPORTER_OTLP_(TRACES_)CLIENT_CERTIFICATE`. Default: none.
    pub fn with_client_certificate_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.overrides.tls.client_certificate_file = Some(path.into());
        self
    }

    /// The client's private key for mTLS, in PEM. Environment:
    /// `OTEL_EXPORTER_OTLP_(TRACES_)CLIENT_KEY`. Default: none.
    pub fn with_client_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.overrides.tls.client_key_file = Some(path.into());
        self
    }
}
