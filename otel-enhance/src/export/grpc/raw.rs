//! The trace service's `Export`, with a request that is written already: sending it copies nothing, the
//! first time and each time after.

#[cfg(feature = "tracezip")]
use std::error::Error as _;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::uri::PathAndQuery;
use hyper::body::{Frame, SizeHint};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Status, client};
use tower_service::Service;

use super::super::connect::{Connector, unready_to_trouble};
#[cfg(feature = "tracezip")]
use super::super::frames::FrameSaid;
#[cfg(feature = "tracezip")]
use super::super::retry::Again;
use super::super::retry::Trouble;
use super::{compression, endpoint, from_status, metadata};
use crate::InitError;
use crate::config::OtlpSettings;
#[cfg(feature = "tracezip")]
use crate::extensions::tracezip::Refusal;

/// Exports spans.
#[cfg(any(feature = "simd", feature = "performance"))]
pub(super) const EXPORT_TRACES: &str =
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Exports profiles.
#[cfg(feature = "ebpf")]
pub(super) const EXPORT_PROFILES: &str =
    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";

pub(in crate::export) struct RawGrpc {
    channel: Channel,
    method: &'static str,
    /// What answers may be in, and what requests are in.
    coding: Option<CompressionEncoding>,
    metadata: MetadataMap,
    connector: Connector,
}

impl RawGrpc {
    /// For spans. Must be called with our runtime entered, where the channel's worker is spawned.
    #[cfg(any(feature = "performance", feature = "tracezip"))]
    pub(in crate::export) fn new(
        settings: &OtlpSettings,
        connector: Connector,
    ) -> Result<Self, InitError> {
        Self::of(EXPORT_TRACES, settings, connector)
    }

    /// For what `method` takes; as [`new`](Self::new).
    pub(super) fn of(
        method: &'static str,
        settings: &OtlpSettings,
        connector: Connector,
    ) -> Result<Self, InitError> {
        Ok(Self {
            method,
            channel: endpoint(&settings.endpoint)?.connect_with_connector_lazy(connector.clone()),
            coding: compression(settings),
            metadata: metadata(&settings.headers)?,
            connector,
        })
    }

    /// One attempt with a request that is in the coding of the settings.
    pub(in crate::export) async fn attempt(
        &self,
        body: &Bytes,
    ) -> Result<ExportTraceServiceResponse, Trouble> {
        self.connector
            .ready()
            .map_err(|error| unready_to_trouble(&error))?;
        let mut client = client::Grpc::new(Written {
            // A channel is a handle: cloning it is how calls are made from `&self`.
            channel: self.channel.clone(),
            message: Framed::new(body.clone(), self.coding.is_some()),
        });
        if let Some(coding) = self.coding {
            client = client.send_compressed(coding).accept_compressed(coding);
        }
        let mut request = tonic::Request::new(());
        *request.metadata_mut() = self.metadata.clone();
        let answered = async {
            client
                .ready()
                .await
                .map_err(|error| Status::from_error(Box::new(error)))?;
            let path = PathAndQuery::from_static(self.method);
            client.unary(request, path, Answer).await
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

/// Frames of tracezip, through the service that they have of their own.
#[cfg(feature = "tracezip")]
impl RawGrpc {
    pub(in crate::export) async fn attempt_frame(&self, frame: Bytes) -> FrameSaid {
        if let Err(error) = self.connector.ready() {
            return nothing(unready_to_trouble(&error));
        }
        let mut client = client::Grpc::new(Written {
            channel: self.channel.clone(),
            message: Framed::new(frame, false),
        });
        let mut request = tonic::Request::new(());
        *request.metadata_mut() = self.metadata.clone();
        let answered = async {
            client
                .ready()
                .await
                .map_err(|error| Status::from_error(Box::new(error)))?;
            let path = PathAndQuery::from_static(tracezip::GRPC_PATH);
            client.unary(request, path, AnyAnswer).await
        };
        match answered.await {
            Ok(response) => {
                let message = response.into_inner();
                let answer = ExportTraceServiceResponse::decode(message.clone()).ok();
                FrameSaid::Taken {
                    message,
                    whole: answer,
                }
            }
            Err(status) => {
                if let Some(refusal) = self.connector.refusal() {
                    return nothing(refusal);
                }
                let trouble = from_status(&status);
                if status.source().is_some() {
                    return nothing(trouble);
                }
                FrameSaid::Refused {
                    refusal: refusal(status.code(), &trouble),
                    message: Bytes::copy_from_slice(status.details()),
                    whole: trouble,
                }
            }
        }
    }
}

#[cfg(feature = "tracezip")]
fn nothing(trouble: Trouble) -> FrameSaid {
    FrameSaid::Nothing {
        may_have_arrived: trouble.may_have_arrived,
        whole: trouble,
    }
}

/// What a code says about tracezip.
#[cfg(feature = "tracezip")]
fn refusal(code: tonic::Code, trouble: &Trouble) -> Refusal {
    match code {
        tonic::Code::Unimplemented => Refusal::NotSpoken,
        tonic::Code::InvalidArgument => Refusal::Malformed,
        tonic::Code::FailedPrecondition => Refusal::StateLost,
        _ if matches!(trouble.again, Again::After(_)) => Refusal::Throttled,
        _ if trouble.again != Again::No => Refusal::Passing,
        tonic::Code::Internal | tonic::Code::Unknown => Refusal::Broke,
        _ => Refusal::Other,
    }
}

impl fmt::Debug for RawGrpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The metadata may hold secrets.
        f.debug_struct("RawGrpc").finish_non_exhaustive()
    }
}

/// The channel, with our message in the place of what tonic would encode: its own encoder copies.
#[derive(Debug)]
struct Written {
    channel: Channel,
    message: Framed,
}

impl Service<http::Request<Body>> for Written {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (parts, _) = request.into_parts();
        let message = Body::new(self.message.clone());
        self.channel.call(http::Request::from_parts(parts, message))
    }
}

/// A message as it travels: a byte that says whether it is compressed, four for its length, itself.
#[derive(Clone, Debug)]
struct Framed {
    prefix: Bytes,
    message: Bytes,
}

impl Framed {
    fn new(message: Bytes, is_compressed: bool) -> Self {
        let mut prefix = BytesMut::with_capacity(5);
        prefix.put_u8(is_compressed.into());
        // Batches are far smaller than the 4 GiB that are possible; a receiver refuses what is not.
        prefix.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        Self {
            prefix: prefix.freeze(),
            message,
        }
    }
}

impl hyper::body::Body for Framed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let next = if self.prefix.is_empty() {
            std::mem::take(&mut self.message)
        } else {
            std::mem::take(&mut self.prefix)
        };
        Poll::Ready((!next.is_empty()).then(|| Ok(Frame::data(next))))
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_empty() && self.message.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.prefix.len() + self.message.len()) as u64)
    }
}

/// Nothing out, for that is there already; an OTLP answer in.
struct Answer;

impl Codec for Answer {
    type Encode = ();
    type Decode = ExportTraceServiceResponse;
    type Encoder = Nothing;
    type Decoder = AnswerDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        Nothing
    }

    fn decoder(&mut self) -> Self::Decoder {
        AnswerDecoder
    }
}

struct Nothing;

impl Encoder for Nothing {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), Status> {
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

/// Nothing out, and the answer's bytes in.
#[cfg(feature = "tracezip")]
struct AnyAnswer;

#[cfg(feature = "tracezip")]
impl Codec for AnyAnswer {
    type Encode = ();
    type Decode = Bytes;
    type Encoder = Nothing;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        Nothing
    }

    fn decoder(&mut self) -> Self::Decoder {
        Self
    }
}

#[cfg(feature = "tracezip")]
impl Decoder for AnyAnswer {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        use bytes::Buf as _;
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
