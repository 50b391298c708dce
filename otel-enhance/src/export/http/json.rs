//! OTLP/HTTP with JSON bodies: the official messages and their official transformation, sent by the
//! same client. The official exporter's own JSON is behind `http-json`, a cargo feature that would
//! change the default protocol of everybody in the graph.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::{JSON, OtlpClient, body};

#[derive(Debug)]
pub(super) struct JsonExporter {
    client: OtlpClient,
    resource: ResourceAttributesWithSchema,
    shut_down: AtomicBool,
}

impl JsonExporter {
    pub(super) fn new(client: OtlpClient) -> Self {
        Self {
            client,
            resource: ResourceAttributesWithSchema::default(),
            shut_down: AtomicBool::new(false),
        }
    }
}

impl SpanExporter for JsonExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if self.shut_down.load(Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let failed = |text: String| OTelSdkError::InternalFailure(text);
        let json = serde_json::to_vec(&request)
            .map_err(|error| failed(format!("the spans cannot be written as JSON: {error}")))?;
        let (body, encoding) = body::compress(json.into(), self.client.compression)
            .map_err(|error| failed(format!("the request cannot be compressed: {error}")))?;
        let sent = self.client.send(JSON, encoding, body).await;
        sent.map(drop).map_err(|error| failed(error.to_string()))
    }

    fn shutdown_with_timeout(&self, _timeout: std::time::Duration) -> OTelSdkResult {
        if self.shut_down.swap(true, Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
