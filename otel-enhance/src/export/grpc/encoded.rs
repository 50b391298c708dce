//! Requests that are written already, over gRPC.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::super::answer;
use super::super::carrier::Carrier;
use super::super::compress::compress;
use super::super::connect::Connector;
use super::super::erased::Shared;
use super::super::report::DropReason;
use super::super::retry::{Backoff, Courier};
use super::super::sink::{Failure, Outcome};
#[cfg(feature = "ebpf")]
use super::raw::EXPORT_PROFILES;
#[cfg(any(feature = "simd", feature = "performance"))]
use super::raw::EXPORT_TRACES;
use super::raw::RawGrpc;
use crate::InitError;
use crate::config::{Compression, OtlpSettings};

/// The carrier for `settings`, which name gRPC. Must be called with our runtime entered: the channel's
/// worker is spawned there, and so outlives the caller's runtime.
#[cfg(any(feature = "simd", feature = "performance"))]
pub(in crate::export) fn carrier(
    settings: &OtlpSettings,
    connector: Connector,
    backoff: Backoff,
    shared: &Shared,
) -> Result<Box<dyn Carrier>, InitError> {
    carrier_of(EXPORT_TRACES, settings, connector, backoff, shared)
}

/// The same for requests of OTLP Profiles, whose answers have the shape of those to spans.
#[cfg(feature = "ebpf")]
pub(in crate::export) fn profiles_carrier(
    settings: &OtlpSettings,
    connector: Connector,
    backoff: Backoff,
    shared: &Shared,
) -> Result<Box<dyn Carrier>, InitError> {
    carrier_of(EXPORT_PROFILES, settings, connector, backoff, shared)
}

fn carrier_of(
    method: &'static str,
    settings: &OtlpSettings,
    connector: Connector,
    backoff: Backoff,
    shared: &Shared,
) -> Result<Box<dyn Carrier>, InitError> {
    Ok(Box::new(GrpcCarrier {
        grpc: RawGrpc::of(method, settings, connector)?,
        courier: Courier::new(settings.timeout, backoff, Arc::clone(&shared.delivery)),
        coding: settings.compression,
        shared: shared.clone(),
    }))
}

struct GrpcCarrier {
    grpc: RawGrpc,
    courier: Courier,
    coding: Compression,
    shared: Shared,
}

impl Carrier for GrpcCarrier {
    fn deliver(&self, request: Bytes, spans: u64) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let request = match compress(request, self.coding) {
                Ok((request, _)) => request,
                Err(error) => {
                    return Outcome::Dropped(Failure::new(
                        DropReason::ExporterFailed,
                        format!("the request cannot be compressed: {error}"),
                    ));
                }
            };
            let attempt = || self.grpc.attempt(&request);
            match self.courier.deliver(spans, attempt).await {
                Ok(response) => answer::outcome(response, &self.shared.log),
                Err(failure) => Outcome::Dropped(failure),
            }
        })
    }
}

impl fmt::Debug for GrpcCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The metadata may hold secrets.
        f.debug_struct("GrpcCarrier")
            .field("courier", &self.courier)
            .finish_non_exhaustive()
    }
}
