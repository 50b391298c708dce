//! The transports, as they carry frames and OTLP alike.

#[cfg(feature = "performance")]
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::super::connect::Connector;
#[cfg(feature = "performance")]
use super::super::pool::Pool;
use super::super::retry::Trouble;
use super::FrameSaid;
use crate::InitError;
use crate::config::{OtlpSettings, Protocol};

/// How requests get to their destination.
#[derive(Debug)]
pub(in crate::export) enum Way {
    #[cfg(feature = "otlp-http")]
    Http(Box<super::super::http::RawHttp>),
    #[cfg(feature = "otlp-grpc")]
    Grpc(Box<super::super::grpc::RawGrpc>),
    #[cfg(feature = "performance")]
    Pool(Arc<Pool>),
}

impl Way {
    /// To the one destination of the settings. Must be called with our runtime entered.
    pub(in crate::export) fn to(
        settings: &OtlpSettings,
        connector: Connector,
    ) -> Result<Self, InitError> {
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

    pub(super) async fn frame(&self, frame: Bytes) -> FrameSaid {
        match self {
            #[cfg(feature = "otlp-http")]
            Self::Http(http) => http.attempt_frame(frame).await,
            #[cfg(feature = "otlp-grpc")]
            Self::Grpc(grpc) => grpc.attempt_frame(frame).await,
            #[cfg(feature = "performance")]
            Self::Pool(pool) => pool.attempt_frame(frame).await,
        }
    }

    /// `None` is a success with a body that is no OTLP answer.
    pub(super) async fn otlp(
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
            #[cfg(feature = "performance")]
            Self::Pool(pool) => pool.attempt_otlp(body.clone(), encoding).await,
        }
    }
}
