//! The transports, as they carry frames and OTLP alike.

#[cfg(feature = "performance")]
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::super::connect::Connector;
#[cfg(feature = "performance")]
use super::super::pool::Pool;
use super::super::retry::Trouble;
use super::super::wire::Wire;
use super::FrameSaid;
use crate::InitError;
use crate::config::OtlpSettings;

/// How requests get to their destination.
#[derive(Debug)]
pub(in crate::export) enum Way {
    Wire(Wire),
    #[cfg(feature = "performance")]
    Pool(Arc<Pool>),
}

impl Way {
    /// To the one destination of the settings. Must be called with our runtime entered.
    pub(in crate::export) fn to(
        settings: &OtlpSettings,
        connector: Connector,
    ) -> Result<Self, InitError> {
        Wire::new(settings, connector).map(Self::Wire)
    }

    pub(super) async fn frame(&self, frame: Bytes) -> FrameSaid {
        match self {
            Self::Wire(wire) => wire.attempt_frame(frame).await,
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
        match self {
            Self::Wire(wire) => wire.attempt(body, encoding).await,
            #[cfg(feature = "performance")]
            Self::Pool(pool) => pool.attempt(body, encoding).await,
        }
    }
}
