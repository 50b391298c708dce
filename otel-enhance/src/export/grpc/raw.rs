//! The trace service's `Export`, with a request that is encoded already: sending it again copies nothing.

use std::fmt;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Status, client};

use super::super::connect::{Connector, unready_to_trouble};
use super::super::retry::Trouble;
use super::{compression, endpoint, from_status, metadata};
use crate::InitError;
use crate::config::OtlpSettings;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

pub(in crate::export) struct RawGrpc {
    client: client::Grpc<Channel>,
    metadata: MetadataMap,
    connector: Connector,
}

impl RawGrpc {
    /// Must be called with our runtime entered, where the channel's worker is spawned.
    pub(in crate::export) fn new(
        settings: &OtlpSettings,
        connector: Connector,
    ) -> Result<Self, InitError> {
        let channel = endpoint(&settings.endpoint)?.connect_with_connector_lazy(connector.clone());
        let mut client = client::Grpc::new(channel);
        if let Some(encoding) = compression(settings) {
            client = client.send_compressed(encoding).accept_compressed(encoding);
        }
        Ok(Self {
            client,
            metadata: metadata(&settings.headers)?,
            connector,
        })
    }

    pub(in crate::export) async fn attempt(
        &self,
        body: &Bytes,
    ) -> Result<ExportTraceServiceResponse, Trouble> {
        self.connector
            .ready()
            .map_err(|error| unready_to_trouble(&error))?;
        let mut request = tonic::Request::new(body.clone());
        *request.metadata_mut() = self.metadata.clone();
        // A client is a handle on the channel: cloning it is how calls are made from `&self`.
        let mut client = self.client.clone();
        let answered = async {
            client
                .ready()
                .await
                .map_err(|error| Status::from_error(Box::new(error)))?;
            let path = PathAndQuery::from_static(EXPORT);
            client.unary(request, path, Raw).await
        };
        answered
            .await
            .map(tonic::Response::into_inner)
            .map_err(|status| {
                let refusal = self.connector.refusal();
                refusal.unwrap_or_else(|| from_status(&status))
            })
    }
}

impl fmt::Debug for RawGrpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The metadata may hold secrets.
        f.debug_struct("RawGrpc").finish_non_exhaustive()
    }
}

/// Bytes out, an OTLP answer in.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = RawEncoder;
    type Decoder = AnswerDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        RawEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        AnswerDecoder
    }
}

struct RawEncoder;

impl Encoder for RawEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(item.remaining());
        into.put(item);
        Ok(())
    }
}

struct AnswerDecoder;

impl Decoder for AnswerDecoder {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        ExportTraceServiceResponse::decode(from)
            .map(Some)
            .map_err(|error| Status::internal(format!("the answer is no OTLP response: {error}")))
    }
}
