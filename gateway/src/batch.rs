//! A request on its way through the gateway.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use otel_enhance_receiver::proto::collector::trace::v1::ExportTraceServiceRequest;
use otel_enhance_receiver::{ContentType, Request};
use prost::Message;

/// A request as it came, whoever it is from.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) tenant: Arc<str>,
    pub(crate) spans: usize,
    /// As it came, decompressed.
    pub(crate) body: Bytes,
    pub(crate) content_type: ContentType,
    /// Of JSON alone.
    message: ExportTraceServiceRequest,
    protobuf: OnceLock<Bytes>,
}

impl Batch {
    pub(crate) fn new(request: &mut Request, tenant: Arc<str>) -> Self {
        Self {
            tenant,
            spans: request.span_count(),
            body: request.body.clone(),
            content_type: request.content_type,
            message: std::mem::take(&mut request.message),
            protobuf: OnceLock::new(),
        }
    }

    /// In protobuf: as it came, unless it came as JSON.
    pub(crate) fn protobuf(&self) -> &Bytes {
        match self.content_type {
            ContentType::Protobuf => &self.body,
            ContentType::Json => self
                .protobuf
                .get_or_init(|| self.message.encode_to_vec().into()),
        }
    }
}
