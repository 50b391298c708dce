//! OTLP over gRPC: the official messages, their transformation and the official client stub, on a
//! channel of ours.
//!
//! The official *exporter* cannot stand here as it does over HTTP. It takes nothing but tonic's
//! concrete `Channel`, so no layer of ours can see a status, and it reports a status as text: what
//! was dropped could not be counted by reason, nor partial success at all.

#[cfg(any(feature = "simd", feature = "performance", feature = "ebpf"))]
mod encoded;
#[cfg(any(feature = "simd", feature = "performance", feature = "ebpf"))]
mod raw;
#[cfg(test)]
mod tests;

#[cfg(any(feature = "simd", feature = "performance"))]
pub(super) use encoded::carrier;
#[cfg(feature = "ebpf")]
pub(super) use encoded::profiles_carrier;
#[cfg(any(feature = "performance", feature = "tracezip"))]
pub(super) use raw::RawGrpc;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, ConnectError, Request, Status};
use tonic_types::StatusExt;

use super::answer;
use super::cause::{chain, find};
use super::connect::{Connector, unready_to_trouble};
use super::erased::Shared;
use super::report::DropReason;
use super::retry::{Again, Backoff, Courier, Trouble};
use super::sink::{Closed, Failure, Outcome, Sink};
use crate::InitError;
use crate::config::OtlpSettings;

const USER_AGENT: &str = concat!("otel-enhance/", env!("CARGO_PKG_VERSION"));

/// The exporter for `settings`, which name gRPC. Must be called with our runtime entered: the
/// channel's worker is spawned there, and so outlives the caller's runtime.
pub(super) fn sink(
    settings: &OtlpSettings,
    connector: Connector,
    backoff: Backoff,
    shared: &Shared,
) -> Result<Box<dyn Sink>, InitError> {
    let channel = endpoint(&settings.endpoint)?.connect_with_connector_lazy(connector.clone());
    let mut client = TraceServiceClient::new(channel);
    if let Some(encoding) = compression(settings) {
        client = client.send_compressed(encoding).accept_compressed(encoding);
    }
    Ok(Box::new(GrpcSink {
        client,
        metadata: metadata(&settings.headers)?,
        courier: Courier::new(settings.timeout, backoff, Arc::clone(&shared.delivery)),
        connector,
        resource: ResourceAttributesWithSchema::default(),
        closed: Closed::default(),
        shared: shared.clone(),
    }))
}

/// One that this build lacks was refused before.
fn compression(settings: &OtlpSettings) -> Option<CompressionEncoding> {
    match settings.compression {
        #[cfg(feature = "gzip")]
        crate::config::Compression::Gzip => Some(CompressionEncoding::Gzip),
        #[cfg(feature = "zstd")]
        crate::config::Compression::Zstd => Some(CompressionEncoding::Zstd),
        _ => None,
    }
}

struct GrpcSink {
    client: TraceServiceClient<Channel>,
    metadata: MetadataMap,
    courier: Courier,
    connector: Connector,
    resource: ResourceAttributesWithSchema,
    closed: Closed,
    shared: Shared,
}

impl GrpcSink {
    async fn attempt(
        &self,
        request: &ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Trouble> {
        self.connector
            .ready()
            .map_err(|error| unready_to_trouble(&error))?;
        let mut request = Request::new(request.clone());
        *request.metadata_mut() = self.metadata.clone();
        // A client is a handle on the channel: cloning it is how calls are made from `&self`.
        let answered = self.client.clone().export(request).await;
        answered.map(tonic::Response::into_inner).map_err(|status| {
            let refusal = self.connector.refusal();
            refusal.unwrap_or_else(|| from_status(&status))
        })
    }
}

impl Sink for GrpcSink {
    fn export(&self, batch: Vec<SpanData>) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            if let Some(refusal) = self.closed.refusal() {
                return refusal;
            }
            let spans = batch.len() as u64;
            let request = ExportTraceServiceRequest {
                resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
            };
            let delivered = self.courier.deliver(spans, || self.attempt(&request)).await;
            match delivered {
                Ok(response) => answer::outcome(response, &self.shared.log),
                Err(failure) => Outcome::Dropped(failure),
            }
        })
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.closed.close()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

impl fmt::Debug for GrpcSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The metadata may hold secrets.
        f.debug_struct("GrpcSink")
            .field("courier", &self.courier)
            .finish_non_exhaustive()
    }
}

/// A status as the specification classifies it; one that tonic made of a broken connection counts
/// as the broken connection.
pub(super) fn from_status(status: &Status) -> Trouble {
    if let Some(broken) = status.source() {
        return from_connection(broken);
    }
    let code = status.code();
    // Without its message, in which a receiver may repeat what it was sent.
    let detail = format!("the receiver answered {code:?}: {code}");
    let after = status
        .get_details_retry_info()
        .map(|info| info.retry_delay.unwrap_or_default());
    let retryable = match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        // Exhausted for a while, if it says for how long; for good, if not.
        Code::ResourceExhausted => after.is_some(),
        _ => false,
    };
    if !retryable {
        return Trouble::rejected(detail);
    }
    Trouble {
        failure: Failure::new(DropReason::Unreachable, detail),
        again: after.map_or(Again::Backoff, Again::After),
        // Who throttles has not taken the request; who says one of the others may stand between.
        may_have_arrived: after.is_none(),
    }
}

fn from_connection(error: &(dyn Error + 'static)) -> Trouble {
    #[cfg(feature = "tls-no-provider")]
    if let Some(unusable) = super::tls::CredentialsError::from_connection(error) {
        return unusable.to_trouble();
    }
    let never_sent = find::<ConnectError>(error).is_some();
    Trouble::unreachable(chain(error), !never_sent)
}

/// Where the channel leads. The scheme is hidden from tonic's own connector, which refuses `https`
/// if any crate of the graph switched its TLS on; ours speaks TLS, and the requests say `https`.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, InitError> {
    let invalid = || InitError::InvalidArgument {
        argument: "endpoint",
        value: text.to_owned(),
        expected: "scheme, host and port, such as http://localhost:4317".to_owned(),
    };
    let origin: Uri = text.parse().map_err(|_| invalid())?;
    let authority = origin.authority().ok_or_else(invalid)?.as_str();
    let port = match (origin.scheme_str(), origin.port_u16()) {
        (Some("http" | "https"), Some(_)) => "",
        (Some("http"), None) => ":80",
        (Some("https"), None) => ":443",
        _ => return Err(invalid()),
    };
    let target = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(format!("{authority}{port}"))
        .path_and_query("/")
        .build()
        .map_err(|_| invalid())?;
    Endpoint::from(target)
        .origin(origin)
        .user_agent(USER_AGENT)
        .map_err(|error| InitError::Exporter {
            protocol: "OTLP/gRPC",
            source: Box::new(error),
        })
}

/// The settings' headers as metadata.
pub(super) fn metadata(pairs: &[(String, String)]) -> Result<MetadataMap, InitError> {
    super::headers::parse(pairs).map(MetadataMap::from_headers)
}
