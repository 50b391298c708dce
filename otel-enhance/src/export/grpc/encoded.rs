//! Requests that are written already, over gRPC: tonic's client with a codec that lets them through.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use futures_util::future::BoxFuture;
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::super::answer;
use super::super::connect::{Connector, unready_to_trouble};
use super::super::encoded::Carrier;
use super::super::erased::Shared;
use super::super::retry::{Backoff, Courier, Trouble};
use super::super::sink::Outcome;
use super::{compression, endpoint, from_status, metadata};
use crate::InitError;
use crate::config::OtlpSettings;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The carrier for `settings`, which name gRPC. Must be called with our runtime entered: the channel's
/// worker is spawned there, and so outlives the caller's runtime.
pub(in crate::export) fn carrier(
    settings: &OtlpSettings,
    connector: Connector,
    backoff: Backoff,
    shared: &Shared,
) -> Result<Box<dyn Carrier>, InitError> {
    let channel = endpoint(&settings.endpoint)?.connect_with_connector_lazy(connector.clone());
    let mut client = Grpc::new(channel);
    if let Some(encoding) = compression(settings) {
        client = client.send_compressed(encoding).accept_compressed(encoding);
    }
    Ok(Box::new(GrpcCarrier {
        client,
        metadata: metadata(&settings.headers)?,
        courier: Courier::new(settings.timeout, backoff, Arc::clone(&shared.delivery)),
        connector,
        shared: shared.clone(),
    }))
}

struct GrpcCarrier {
    client: Grpc<Channel>,
    metadata: MetadataMap,
    courier: Courier,
    connector: Connector,
    shared: Shared,
}

impl GrpcCarrier {
    async fn attempt(&self, request: Bytes) -> Result<ExportTraceServiceResponse, Trouble> {
        self.connector
            .ready()
            .map_err(|error| unready_to_trouble(&error))?;
        let answered = self.call(request).await;
        answered.map_err(|status| {
            let refusal = self.connector.refusal();
            refusal.unwrap_or_else(|| from_status(&status))
        })
    }

    async fn call(&self, request: Bytes) -> Result<ExportTraceServiceResponse, Status> {
        let mut request = Request::new(request);
        *request.metadata_mut() = self.metadata.clone();
        // A client is a handle on the channel: cloning it is how calls are made from `&self`.
        let mut client = self.client.clone();
        client
            .ready()
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static(EXPORT);
        let answer = client.unary(request, path, Written).await?;
        Ok(answer.into_inner())
    }
}

impl Carrier for GrpcCarrier {
    fn deliver(&self, request: Bytes, spans: u64) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let attempt = || self.attempt(request.clone());
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

/// Requests as they are; answers as messages.
struct Written;

impl Codec for Written {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Written {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, request: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(request);
        Ok(())
    }
}

impl Decoder for Written {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        ExportTraceServiceResponse::decode(from)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
