//! What holds ended spans until their export: one of the things that the queue's slot may hold.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
#[cfg(feature = "performance")]
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::TracerProviderBuilder;

use super::account::Account;
use super::queue::{AccountingProcessor, ExportQueue};
use super::span_path::SpanPath;
#[cfg(feature = "performance")]
use crate::extensions::performance::{BatchWatch, EngineProcessor, SpanEngine};

#[derive(Clone, Debug)]
pub(super) enum SpanQueue {
    Official(Arc<ExportQueue>),
    #[cfg(feature = "performance")]
    Pipelined(Arc<SpanEngine>),
}

impl SpanQueue {
    pub(super) fn account(&self) -> &Account {
        match self {
            Self::Official(queue) => &queue.account,
            #[cfg(feature = "performance")]
            Self::Pipelined(engine) => &engine.account,
        }
    }

    /// A span has ended on the fast path.
    #[cfg(feature = "performance")]
    pub(super) fn take(&self, span: SpanData) {
        match self {
            Self::Official(queue) => queue.take(span),
            Self::Pipelined(engine) => engine.take(span),
        }
    }

    pub(super) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Official(queue) => queue.flush(timeout),
            #[cfg(feature = "performance")]
            Self::Pipelined(engine) => engine.flush(timeout),
        }
    }

    pub(super) fn close(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Official(queue) => queue.close(timeout),
            #[cfg(feature = "performance")]
            Self::Pipelined(engine) => engine.close(timeout),
        }
    }

    #[cfg(feature = "performance")]
    pub(super) fn watch(&self) -> Option<BatchWatch> {
        match self {
            Self::Official(_) => None,
            Self::Pipelined(engine) => Some(engine.watch()),
        }
    }

    /// Gives the provider its handle to the queue.
    pub(super) fn attach(
        &self,
        provider: TracerProviderBuilder,
        default_timeout: Duration,
        beside: &SpanPath,
    ) -> TracerProviderBuilder {
        match self {
            Self::Official(queue) => {
                // It knows the timeout.
                let _ = default_timeout;
                beside.attach(provider, AccountingProcessor(Arc::clone(queue)))
            }
            #[cfg(feature = "performance")]
            Self::Pipelined(engine) => beside.attach(
                provider,
                EngineProcessor {
                    engine: Arc::clone(engine),
                    default_timeout,
                },
            ),
        }
    }
}
