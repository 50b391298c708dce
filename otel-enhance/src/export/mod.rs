//! From batches of `SpanData` to a receiver, and the account of what arrived.
//!
//! Whatever goes wrong with an export is counted by [`DropReason`], and said once per outage on the
//! log channel: stderr, with the prefix `otel-enhance:`, unless a handler was set.

#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod answer;
#[cfg(any(feature = "simd", feature = "performance", feature = "ebpf"))]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) mod carrier;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod cause;
#[cfg(any(feature = "simd", feature = "otlp-json", feature = "ebpf"))]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod compress;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod connect;
#[cfg(feature = "simd")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod destination;
#[cfg(any(feature = "simd", feature = "performance"))]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) mod encoded;
pub(crate) mod erased;
#[cfg(feature = "tracezip")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) mod frames;
#[cfg(feature = "otlp-grpc")]
mod grpc;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod headers;
#[cfg(not(feature = "tls-no-provider"))]
mod held;
#[cfg(feature = "otlp-http")]
mod http;
pub(crate) mod log;
#[cfg(feature = "performance")]
pub(crate) mod operations;
#[cfg(all(
    feature = "performance",
    any(feature = "otlp-http", feature = "otlp-grpc")
))]
mod pool;
#[cfg(all(
    otel_enhance_has_ebpf,
    any(feature = "otlp-http", feature = "otlp-grpc")
))]
pub(crate) mod profiles;
pub(crate) mod report;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod retry;
pub(crate) mod runtime;
pub(crate) mod sink;
mod stdout;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(all(
    feature = "tls-no-provider",
    any(feature = "otlp-http", feature = "otlp-grpc")
))]
mod tls;
#[cfg(any(feature = "performance", feature = "tracezip"))]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod wire;

#[cfg(feature = "simd")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub use destination::Destination;
#[cfg(all(feature = "tracezip", feature = "otlp-http"))]
pub(crate) use http::undo as undo_coding;
#[cfg(feature = "otlp-http")]
pub use http::{EnhancedHttpClient, EnhancedHttpClientBuilder};
pub use log::{ErrorHandler, Report, ReportKind};
#[cfg(all(
    feature = "performance",
    any(feature = "otlp-http", feature = "otlp-grpc")
))]
pub use pool::{ConnectionPoolExporter, ConnectionPoolExporterBuilder};
pub use report::{DeliveryReport, DropReason};

pub(crate) use erased::{ErasedExporter, LimitsHook, Shared};
pub(crate) use sink::{Sink, boxed};

use crate::InitError;
use crate::config::{Compression, Diagnostics, ExporterKind, OtlpSettings, Protocol, Settings};

/// Builds the one exporter of a pipeline: what `kinds` name, in that order, with `custom` for
/// [`ExporterKind::Custom`]. [`ExporterKind::None`] adds nothing.
///
/// May be called anywhere, inside a runtime and outside.
///
/// # Errors
///
/// [`InitError::FeatureMissing`] if this build lacks what the settings ask for,
/// [`InitError::InvalidArgument`] and [`InitError::Exporter`] if they are not usable.
pub(crate) fn build(
    kinds: &[ExporterKind],
    settings: &Settings,
    custom: Option<Box<dyn Sink>>,
    limits: Option<LimitsHook>,
    writing: &Writing,
    shared: Shared,
) -> Result<ErasedExporter, InitError> {
    let mut custom = custom;
    let mut sinks = Vec::with_capacity(kinds.len());
    for kind in kinds {
        match kind {
            ExporterKind::None => {}
            ExporterKind::Otlp => {
                let otlp = &settings.otlp;
                let equal = &settings.equal_otlp;
                let sink = match settings.performance {
                    #[cfg(all(
                        feature = "performance",
                        any(feature = "otlp-http", feature = "otlp-grpc")
                    ))]
                    Some(_) => {
                        let all = std::iter::once(otlp).chain(equal);
                        pooled(all.cloned().collect(), writing, &shared)?
                    }
                    _ => otlp_sink(otlp, writing, &shared)?,
                };
                let mut name = otlp.endpoint.clone();
                for one in equal {
                    name = format!("{name}, {}", one.endpoint);
                }
                sinks.push((name, true, sink));
            }
            ExporterKind::Stdout => sinks.push((
                "stdout".to_owned(),
                false,
                boxed(stdout::StdoutExporter::default()),
            )),
            ExporterKind::Custom => {
                if let Some(exporter) = custom.take() {
                    sinks.push(("the exporter given in code".to_owned(), true, exporter));
                }
            }
        }
    }
    Ok(ErasedExporter::new(
        sinks,
        settings.batch.export_timeout,
        limits,
        shared,
    ))
}

/// What turns spans into OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoder {
    /// The transform of `opentelemetry-proto`, and prost or serde.
    #[default]
    Official,
    /// Our own, in one pass (feature `simd`).
    OnePass,
}

/// How spans become bytes on their way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writing {
    pub(crate) encoder: Encoder,
    /// `Some` if requests are to be frames of tracezip.
    #[cfg(feature = "tracezip")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(crate) frames: Option<frames::Frames>,
}

#[cfg(feature = "tracezip")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
impl Writing {
    /// The frames, where requests are protobuf.
    fn frames(&self, settings: &OtlpSettings) -> Option<&frames::Frames> {
        let is_protobuf = settings.protocol != Protocol::HttpJson;
        self.frames.as_ref().filter(|_| is_protobuf)
    }
}

/// The exporter of one OTLP destination.
fn otlp_sink(
    settings: &OtlpSettings,
    writing: &Writing,
    shared: &Shared,
) -> Result<Box<dyn Sink>, InitError> {
    require_features(settings)?;
    #[cfg(not(feature = "tls-no-provider"))]
    if is_https(settings) {
        // Asked for by the environment, or it had been refused before.
        return Ok(Box::new(held::WithoutTls));
    }
    #[cfg(all(
        feature = "tracezip",
        any(feature = "otlp-http", feature = "otlp-grpc")
    ))]
    if let Some(frames) = writing.frames(settings) {
        let carrier = frame_carrier(settings, frames, shared)?;
        let sink = encoded::EncodedSink::over(carrier, settings.protocol);
        return Ok(Box::new(sink));
    }
    #[cfg(all(feature = "simd", any(feature = "otlp-http", feature = "otlp-grpc")))]
    if writing.encoder == Encoder::OnePass {
        return Ok(Box::new(encoded::EncodedSink::new(settings, shared)?));
    }
    // Without the feature, the install has been refused.
    let _ = writing.encoder;
    match settings.protocol {
        #[cfg(feature = "otlp-http")]
        Protocol::HttpProtobuf | Protocol::HttpJson => {
            let connector = connector(settings, b"http/1.1");
            shared.runtime.build_guarded(|| {
                http::sink(settings, connector, retry::Backoff::default(), shared)
            })?
        }
        #[cfg(feature = "otlp-grpc")]
        Protocol::Grpc => {
            let connector = connector(settings, b"h2");
            shared.runtime.build_guarded(|| {
                grpc::sink(settings, connector, retry::Backoff::default(), shared)
            })?
        }
        // `require_features` has answered already.
        #[cfg(not(all(feature = "otlp-http", feature = "otlp-grpc")))]
        _ => no_transport(shared),
    }
}

/// What brings written requests to one OTLP destination; on any thread.
#[cfg(any(feature = "simd", feature = "performance"))]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) fn carrier(
    settings: &OtlpSettings,
    shared: &Shared,
) -> Result<Box<dyn encoded::Carrier>, InitError> {
    require_features(settings)?;
    #[cfg(not(feature = "tls-no-provider"))]
    if is_https(settings) {
        return Err(InitError::FeatureMissing {
            argument: "endpoint",
            feature: "tls",
        });
    }
    match settings.protocol {
        #[cfg(feature = "otlp-http")]
        Protocol::HttpProtobuf | Protocol::HttpJson => {
            let connector = connector(settings, b"http/1.1");
            shared.runtime.build_guarded(|| {
                http::carrier(settings, connector, retry::Backoff::default(), shared)
            })?
        }
        #[cfg(feature = "otlp-grpc")]
        Protocol::Grpc => {
            let connector = connector(settings, b"h2");
            shared.runtime.build_guarded(|| {
                grpc::carrier(settings, connector, retry::Backoff::default(), shared)
            })?
        }
        // `require_features` has answered already.
        #[cfg(not(all(feature = "otlp-http", feature = "otlp-grpc")))]
        _ => no_transport(shared),
    }
}

/// The same for frames of tracezip.
#[cfg(feature = "tracezip")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) fn frame_carrier(
    settings: &OtlpSettings,
    frames: &frames::Frames,
    shared: &Shared,
) -> Result<Box<dyn encoded::Carrier>, InitError> {
    require_features(settings)?;
    #[cfg(not(feature = "tls-no-provider"))]
    if is_https(settings) {
        return Err(InitError::FeatureMissing {
            argument: "endpoint",
            feature: "tls",
        });
    }
    let alpn: &[u8] = match settings.protocol {
        Protocol::Grpc => b"h2",
        _ => b"http/1.1",
    };
    let connector = connector(settings, alpn);
    let way = shared
        .runtime
        .build_guarded(|| frames::Way::to(settings, connector))??;
    let backoff = retry::Backoff::default();
    frames::carrier(settings, way, backoff, frames, shared)
}

#[cfg(not(all(feature = "otlp-http", feature = "otlp-grpc")))]
fn no_transport<T>(_: &Shared) -> Result<T, InitError> {
    Err(InitError::FeatureMissing {
        argument: "exporter",
        feature: "otlp-http",
    })
}

/// The exporter of one or more equal destinations over a pool of connections.
#[cfg(all(
    feature = "performance",
    any(feature = "otlp-http", feature = "otlp-grpc")
))]
pub(crate) fn pooled(
    settings: Vec<OtlpSettings>,
    writing: &Writing,
    shared: &Shared,
) -> Result<Box<dyn Sink>, InitError> {
    for one in &settings {
        require_features(one)?;
        #[cfg(not(feature = "tls-no-provider"))]
        if is_https(one) {
            // Asked for by the environment, or it had been refused before.
            return Ok(Box::new(held::WithoutTls));
        }
    }
    #[cfg(feature = "tracezip")]
    let frames = settings.first().and_then(|first| writing.frames(first));
    let endpoint = |one: OtlpSettings| {
        let alpn: &[u8] = match one.protocol {
            Protocol::Grpc => b"h2",
            _ => b"http/1.1",
        };
        let connector = connector(&one, alpn);
        pool::Endpoint::new(one, connector)
    };
    let endpoints = shared.runtime.build_guarded(|| {
        settings
            .into_iter()
            .map(endpoint)
            .collect::<Result<Vec<_>, _>>()
    })??;
    #[cfg(feature = "tracezip")]
    if let Some(frames) = frames {
        return Ok(pool::frame_sink(endpoints, frames, shared));
    }
    let _ = writing;
    Ok(pool::sink(endpoints, shared))
}

/// What opens connections to the endpoint, for the protocol of this name in TLS.
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
fn connector(settings: &OtlpSettings, alpn: &'static [u8]) -> connect::Connector {
    #[cfg(feature = "tls-no-provider")]
    if is_https(settings) {
        let credentials = tls::Credentials::new(&settings.tls, alpn);
        return connect::Connector::tls(settings.timeout, credentials);
    }
    let _ = alpn;
    connect::Connector::plain(settings.timeout)
}

fn is_https(settings: &OtlpSettings) -> bool {
    let scheme = settings.endpoint.get(..8);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

/// Adds what can be said of certificates and keys before the first export. An export that finds them
/// unusable is held back, and so is the application's error: this must not stop a service.
pub(crate) fn diagnose(settings: &Settings, diagnostics: &mut Diagnostics) {
    #[cfg(all(
        feature = "tls-no-provider",
        any(feature = "otlp-http", feature = "otlp-grpc")
    ))]
    if settings.exporters.contains(&ExporterKind::Otlp)
        && is_https(&settings.otlp)
        // The system's certificates alone are not worth the milliseconds that reading them takes.
        && settings.otlp.tls != crate::config::TlsSettings::default()
        && let Err(error) = tls::Credentials::new(&settings.otlp.tls, b"h2").current()
    {
        diagnostics.report(
            "tls",
            error.to_string(),
            "expected certificates and keys in PEM that this process may read; exports are held \
             back until then, and what cannot wait is counted as dropped (`credentials`)",
        );
    }
    let _ = (settings, diagnostics);
}

/// Whether this build can do what `settings` ask for.
///
/// # Errors
///
/// [`InitError::FeatureMissing`] with the feature to switch on.
pub(crate) fn require_features(settings: &OtlpSettings) -> Result<(), InitError> {
    let missing = |argument, feature| Err(InitError::FeatureMissing { argument, feature });
    match settings.protocol {
        Protocol::HttpProtobuf if !cfg!(feature = "otlp-http") => missing("exporter", "otlp-http"),
        Protocol::HttpJson if !cfg!(feature = "otlp-json") => missing("exporter", "otlp-json"),
        Protocol::Grpc if !cfg!(feature = "otlp-grpc") => missing("exporter", "otlp-grpc"),
        _ => Ok(()),
    }?;
    match settings.compression {
        Compression::Gzip if !cfg!(feature = "gzip") => missing("compression", "gzip"),
        Compression::Zstd if !cfg!(feature = "zstd") => missing("compression", "zstd"),
        _ => Ok(()),
    }
}
