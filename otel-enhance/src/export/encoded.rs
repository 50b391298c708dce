//! The way out for requests that are written without the official messages.

#[cfg(test)]
#[cfg(all(feature = "simd", feature = "otlp-json", feature = "otlp-grpc"))]
#[cfg(all(feature = "gzip", feature = "zstd"))]
mod tests;

use std::sync::Mutex;

#[cfg(feature = "performance")]
use bytes::Bytes;
use futures_util::future::BoxFuture;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;

pub(crate) use super::carrier::Carrier;
use super::erased::Shared;
use super::log::lock;
use super::sink::{Closed, Outcome, Sink};
use crate::InitError;
use crate::config::{OtlpSettings, Protocol};
use crate::encode::SpanEncoder;
#[cfg(feature = "performance")]
use crate::encode::SpanWriter;

/// An OTLP destination to which our encoder writes.
#[derive(Debug)]
pub(crate) struct EncodedSink {
    encoder: Mutex<SpanEncoder>,
    protocol: Protocol,
    carrier: Box<dyn Carrier>,
    closed: Closed,
}

impl EncodedSink {
    /// For `settings`; on any thread.
    ///
    /// # Errors
    ///
    /// [`InitError::FeatureMissing`] if this build lacks what the settings ask for,
    /// [`InitError::InvalidArgument`] and [`InitError::Exporter`] if they are not usable.
    pub(crate) fn new(settings: &OtlpSettings, shared: &Shared) -> Result<Self, InitError> {
        let carrier = super::carrier(settings, shared)?;
        let resource = Resource::builder_empty().build();
        Ok(Self {
            encoder: Mutex::new(encoder(settings.protocol, &resource)),
            protocol: settings.protocol,
            carrier,
            closed: Closed::default(),
        })
    }

    /// Over a carrier that exists, which speaks `protocol`.
    #[cfg(any(feature = "performance", feature = "tracezip"))]
    pub(crate) fn over(carrier: Box<dyn Carrier>, protocol: Protocol) -> Self {
        let resource = Resource::builder_empty().build();
        Self {
            encoder: Mutex::new(encoder(protocol, &resource)),
            protocol,
            carrier,
            closed: Closed::default(),
        }
    }

    /// The batch's request, from spans that are kept.
    #[cfg(feature = "simd")]
    pub(crate) async fn export_from(&self, batch: &[SpanData]) -> Outcome {
        if let Some(refusal) = self.closed.refusal() {
            return refusal;
        }
        let request = lock(&self.encoder).encode_from(batch);
        self.carrier.deliver(request, batch.len() as u64).await
    }

    /// What writes spans as this sink's requests have them.
    #[cfg(feature = "performance")]
    pub(crate) fn writer(&self) -> SpanWriter {
        match self.protocol {
            #[cfg(feature = "otlp-json")]
            Protocol::HttpJson => SpanWriter::json(),
            _ => SpanWriter::protobuf(),
        }
    }

    /// A request of the spans that `push` adds.
    #[cfg(feature = "performance")]
    pub(crate) fn request(&self, push: impl FnOnce(&mut SpanEncoder)) -> Bytes {
        let mut encoder = lock(&self.encoder);
        push(&mut encoder);
        encoder.finish()
    }

    /// As [`Sink::export`], with a request that has been made.
    #[cfg(feature = "performance")]
    pub(super) fn export_request(&self, request: Bytes, spans: u64) -> BoxFuture<'_, Outcome> {
        match self.closed.refusal() {
            Some(refusal) => Box::pin(std::future::ready(refusal)),
            None => self.carrier.deliver(request, spans),
        }
    }

    /// As [`Sink::set_resource`], for a sink that is shared.
    pub(crate) fn replace_resource(&self, resource: &Resource) {
        *lock(&self.encoder) = encoder(self.protocol, resource);
    }
}

fn encoder(protocol: Protocol, resource: &Resource) -> SpanEncoder {
    match protocol {
        #[cfg(feature = "otlp-json")]
        Protocol::HttpJson => SpanEncoder::json(resource),
        _ => SpanEncoder::protobuf(resource),
    }
}

impl Sink for EncodedSink {
    fn export(&self, batch: Vec<SpanData>) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            if let Some(refusal) = self.closed.refusal() {
                return refusal;
            }
            let spans = batch.len() as u64;
            let request = lock(&self.encoder).encode(batch);
            self.carrier.deliver(request, spans).await
        })
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.closed.close()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.replace_resource(resource);
    }

    #[cfg(feature = "performance")]
    fn encoded(&self) -> Option<&EncodedSink> {
        Some(self)
    }
}
