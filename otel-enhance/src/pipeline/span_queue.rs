//! What holds ended spans until their export: one of the things that the queue's slot may hold.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
#[cfg(feature = "performance")]
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::TracerProviderBuilder;

use super::account::Account;
use super::queue::{AccountingProcessor, ExportQueue};
use super::red::Red;
use super::span_path::SpanPath;
#[cfg(feature = "performance")]
use crate::export::ErasedExporter;

#[cfg(feature = "performance")]
use crate::extensions::performance::{
    BatchWatch, Deliver as _, Ended, Engine, EngineProcessor, RecordDelivery, RecordEngine,
    SpanEngine,
};
#[cfg(feature = "performance")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
use crate::extensions::performance::{WrittenDelivery, WrittenEngine};

#[derive(Clone, Debug)]
pub(super) enum SpanQueue {
    Official(Arc<ExportQueue>),
    #[cfg(feature = "performance")]
    Pipelined(Arc<SpanEngine>),
    /// Of records.
    #[cfg(feature = "performance")]
    Records(Arc<RecordEngine>),
    /// Of spans that are written as they come in.
    #[cfg(feature = "performance")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    Written(Arc<WrittenEngine>),
}

impl SpanQueue {
    pub(super) fn account(&self) -> &Account {
        match self {
            Self::Official(queue) => &queue.account,
            #[cfg(feature = "performance")]
            Self::Pipelined(engine) => &engine.account,
            #[cfg(feature = "performance")]
            Self::Records(engine) => &engine.account,
            #[cfg(feature = "performance")]
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            Self::Written(engine) => &engine.account,
        }
    }

    /// Whether spans are written as they come in.
    #[cfg(feature = "performance")]
    pub(super) const fn writes_otlp(&self) -> bool {
        #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
        let writes = matches!(self, Self::Written(_));
        #[cfg(not(any(feature = "otlp-http", feature = "otlp-grpc")))]
        let writes = false;
        writes
    }

    /// A span has ended on the fast path.
    #[cfg(feature = "performance")]
    pub(super) fn take(&self, span: SpanData) {
        match self {
            Self::Official(queue) => queue.take(span),
            Self::Pipelined(engine) => ErasedExporter::accept(engine, span),
            Self::Records(engine) => RecordDelivery::accept(engine, span),
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            Self::Written(engine) => WrittenDelivery::accept(engine, span),
        }
    }

    /// The same, many at once.
    #[cfg(feature = "performance")]
    pub(super) fn take_all(&self, spans: &mut dyn Iterator<Item = Ended>) {
        match self {
            Self::Records(engine) => engine.take_all(spans),
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            Self::Written(engine) => engine.take_all(spans),
            _ => spans
                .filter_map(Ended::into_span_data)
                .for_each(|span| self.take(span)),
        }
    }

    pub(super) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Official(queue) => queue.flush(timeout),
            #[cfg(feature = "performance")]
            Self::Pipelined(engine) => engine.flush(timeout),
            #[cfg(feature = "performance")]
            Self::Records(engine) => engine.flush(timeout),
            #[cfg(feature = "performance")]
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            Self::Written(engine) => engine.flush(timeout),
        }
    }

    pub(super) fn close(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Official(queue) => queue.close(timeout),
            #[cfg(feature = "performance")]
            Self::Pipelined(engine) => engine.close(timeout),
            #[cfg(feature = "performance")]
            Self::Records(engine) => engine.close(timeout),
            #[cfg(feature = "performance")]
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            Self::Written(engine) => engine.close(timeout),
        }
    }

    #[cfg(feature = "performance")]
    pub(super) fn watch(&self) -> Option<BatchWatch> {
        match self {
            Self::Official(_) => None,
            Self::Pipelined(engine) => Some(engine.watch()),
            #[cfg(feature = "performance")]
            Self::Records(engine) => Some(engine.watch()),
            #[cfg(feature = "performance")]
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            Self::Written(engine) => Some(engine.watch()),
        }
    }

    /// Gives the provider its handle to the queue.
    pub(super) fn attach(
        &self,
        provider: TracerProviderBuilder,
        default_timeout: Duration,
        beside: &SpanPath,
        red: &Red,
    ) -> TracerProviderBuilder {
        match self {
            Self::Official(queue) => {
                // It knows the timeout.
                let _ = default_timeout;
                red.attach(provider, AccountingProcessor(Arc::clone(queue)), beside)
            }
            #[cfg(feature = "performance")]
            Self::Pipelined(engine) => {
                red.attach(provider, processor(engine, default_timeout), beside)
            }
            #[cfg(feature = "performance")]
            Self::Records(engine) => {
                red.attach(provider, processor(engine, default_timeout), beside)
            }
            #[cfg(feature = "performance")]
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            Self::Written(engine) => {
                red.attach(provider, processor(engine, default_timeout), beside)
            }
        }
    }
}

#[cfg(feature = "performance")]
fn processor<S, E>(engine: &Arc<Engine<S, E>>, default_timeout: Duration) -> EngineProcessor<S, E> {
    EngineProcessor {
        engine: Arc::clone(engine),
        default_timeout,
    }
}
