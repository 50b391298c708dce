//! Exporters that misbehave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use otel_enhance::new_enhanced_pipeline;

use crate::common::{Outcome, end_spans, fact, report};

/// The first export panics, the second would work.
#[derive(Clone, Debug, Default)]
struct PanicsOnce {
    exports: Arc<AtomicUsize>,
    spans: Arc<AtomicUsize>,
}

impl SpanExporter for PanicsOnce {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exports = self.exports.fetch_add(1, Ordering::SeqCst);
        assert!(exports > 0, "the first export panics");
        self.spans.fetch_add(batch.len(), Ordering::SeqCst);
        Ok(())
    }
}

pub(crate) mod exporter_panics {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let exporter = PanicsOnce::default();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.clone())
            .build();
        end_spans(&provider, 1);
        fact("first_flush_failed", provider.force_flush().is_err());
        end_spans(&provider, 2);
        fact("second_flush_failed", provider.force_flush().is_err());
        // The batch thread is dead, and its shutdown would panic as it joins it.
        let shutdown = catch_unwind(AssertUnwindSafe(|| {
            provider.shutdown_with_timeout(Duration::ZERO)
        }));
        fact("shutdown_failed", !matches!(shutdown, Ok(Ok(()))));
        fact("exported", exporter.spans.load(Ordering::SeqCst));
        Ok(())
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_exporter(PanicsOnce::default())
            .install_batch()?;
        end_spans(guard.tracer_provider(), 1);
        guard.force_flush()?;
        end_spans(guard.tracer_provider(), 2);
        guard.force_flush()?;
        guard.shutdown()?;
        report(&guard);
        Ok(())
    }
}
