//! One request over HTTP or gRPC, from its bytes to what the receiver said.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use http::Uri;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::super::compress::compress;
use super::super::connect::Connector;
use super::super::retry::Trouble;
use crate::InitError;
use crate::config::{Compression, OtlpSettings, Protocol};

/// The way to one address.
#[derive(Debug)]
pub(super) enum Wire {
    #[cfg(feature = "otlp-http")]
    Http(Box<super::super::http::RawHttp>),
    #[cfg(feature = "otlp-grpc")]
    Grpc(Box<super::super::grpc::RawGrpc>),
}

/// What a receiver said of a request that it took.
pub(super) enum Answer {
    /// An OTLP answer.
    Otlp(ExportTraceServiceResponse),
    /// Success, with a body that is none.
    #[cfg(feature = "otlp-http")]
    Strange,
}

impl Wire {
    /// The way to `address`, for requests to the endpoint of the settings.
    pub(super) fn new(
        settings: &OtlpSettings,
        connector: &Connector,
        address: SocketAddr,
    ) -> Result<Self, InitError> {
        let connector = connector.pinned_to(address);
        match settings.protocol {
            #[cfg(feature = "otlp-http")]
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                let http = super::super::http::RawHttp::new(settings, connector)?;
                Ok(Self::Http(Box::new(http)))
            }
            #[cfg(feature = "otlp-grpc")]
            Protocol::Grpc => {
                let grpc = super::super::grpc::RawGrpc::new(settings, connector)?;
                Ok(Self::Grpc(Box::new(grpc)))
            }
            #[cfg(not(all(feature = "otlp-http", feature = "otlp-grpc")))]
            _ => Err(InitError::FeatureMissing {
                argument: "exporter",
                feature: "otlp-http",
            }),
        }
    }

    #[cfg(feature = "tracezip")]
    pub(super) async fn attempt_frame(&self, frame: Bytes) -> super::super::frames::FrameSaid {
        match self {
            #[cfg(feature = "otlp-http")]
            Self::Http(http) => http.attempt_frame(frame).await,
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.attempt_frame(frame).await,
        }
    }

    pub(super) async fn attempt(&self, request: &Request) -> Result<Answer, Trouble> {
        match self {
            #[cfg(feature = "otlp-http")]
            Self::Http(http) => Ok(match http.attempt(&request.body, request.encoding).await? {
                Some(answer) => Answer::Otlp(answer),
                None => Answer::Strange,
            }),
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.attempt(&request.body).await.map(Answer::Otlp),
        }
    }
}

/// A request that can be sent more than once, anywhere.
pub(super) struct Request {
    pub(super) body: Bytes,
    /// The coding of the body.
    pub(super) encoding: Option<&'static str>,
}

impl Request {
    /// `body`, compressed as the settings ask.
    pub(super) fn new(body: Bytes, settings: Option<&OtlpSettings>) -> std::io::Result<Self> {
        let asked = settings.map_or(Compression::None, |settings| settings.compression);
        let (body, encoding) = compress(body, asked)?;
        Ok(Self { body, encoding })
    }
}

/// Host and port of a URL, as the system's resolver takes them.
pub(super) fn host_and_port(endpoint: &str) -> Option<(String, u16)> {
    let uri: Uri = endpoint.parse().ok()?;
    let port = uri.port_u16().or(match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })?;
    let host = uri.host()?;
    // An IPv6 address stands in brackets in a URL, and without them elsewhere.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("bytes", &self.body.len())
            .field("encoding", &self.encoding)
            .finish()
    }
}
