//! One request over HTTP or gRPC, from its bytes to what the receiver said.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::connect::Connector;
use super::retry::Trouble;
use crate::InitError;
use crate::config::{OtlpSettings, Protocol};

/// The way to the one destination of the settings.
#[derive(Debug)]
pub(super) enum Wire {
    #[cfg(feature = "otlp-http")]
    Http(Box<super::http::RawHttp>),
    #[cfg(feature = "otlp-grpc")]
    Grpc(Box<super::grpc::RawGrpc>),
}

impl Wire {
    /// Over connections of `connector`. Must be called with our runtime entered.
    pub(super) fn new(settings: &OtlpSettings, connector: Connector) -> Result<Self, InitError> {
        match settings.protocol {
            #[cfg(feature = "otlp-http")]
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                let http = super::http::RawHttp::new(settings, connector)?;
                Ok(Self::Http(Box::new(http)))
            }
            #[cfg(feature = "otlp-grpc")]
            Protocol::Grpc => {
                let grpc = super::grpc::RawGrpc::new(settings, connector)?;
                Ok(Self::Grpc(Box::new(grpc)))
            }
            #[cfg(not(all(feature = "otlp-http", feature = "otlp-grpc")))]
            _ => Err(InitError::FeatureMissing {
                argument: "exporter",
                feature: "otlp-http",
            }),
        }
    }

    /// One attempt with a frame of tracezip.
    #[cfg(feature = "tracezip")]
    pub(super) async fn attempt_frame(&self, frame: Bytes) -> super::frames::FrameSaid {
        match self {
            #[cfg(feature = "otlp-http")]
            Self::Http(http) => http.attempt_frame(frame).await,
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.attempt_frame(frame).await,
        }
    }

    /// One attempt with OTLP in this coding. `None` is a success with a body that is no OTLP answer.
    pub(super) async fn attempt(
        &self,
        body: &Bytes,
        encoding: Option<&'static str>,
    ) -> Result<Option<ExportTraceServiceResponse>, Trouble> {
        #[cfg(not(feature = "otlp-http"))]
        // Over gRPC the channel knows.
        let _ = encoding;
        match self {
            #[cfg(feature = "otlp-http")]
            Self::Http(http) => http.attempt(body, encoding).await,
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.attempt(body).await.map(Some),
        }
    }
}
