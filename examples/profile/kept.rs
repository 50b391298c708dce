//! An exporter that keeps spans.

use std::sync::{Arc, Mutex, PoisonError};

use otel_enhance::sdk::error::OTelSdkResult;
use otel_enhance::sdk::trace::{SpanData, SpanExporter};

/// Spans of this process, once they are exported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl Kept {
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.extend(batch);
        Ok(())
    }
}
