//! What holds ended spans until their export: one of the things that the queue's slot may hold.

#[cfg(feature = "performance")]
use std::fmt;
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
use crate::extensions::performance::{
    BatchWatch, Deliver, Ended, EndedSpans, Engine, EngineProcessor, Handling, Store,
};

#[derive(Clone, Debug)]
pub(super) enum SpanQueue {
    Official(Arc<ExportQueue>),
    #[cfg(feature = "performance")]
    Engine(Arc<dyn QueueEngine>),
}

impl SpanQueue {
    #[cfg(feature = "performance")]
    pub(super) fn of<S: Store, E: Deliver<S>>(engine: Arc<Engine<S, E>>) -> Self {
        Self::Engine(Arc::new(engine))
    }

    pub(super) fn account(&self) -> &Account {
        match self {
            Self::Official(queue) => &queue.account,
            #[cfg(feature = "performance")]
            Self::Engine(engine) => engine.account(),
        }
    }

    /// What becomes of spans of the fast path as they come in.
    #[cfg(feature = "performance")]
    pub(super) fn handling(&self) -> Handling {
        match self {
            Self::Official(_) => Handling::Takes,
            Self::Engine(engine) => engine.handling(),
        }
    }

    /// A span has ended on the fast path.
    #[cfg(feature = "performance")]
    pub(super) fn take(&self, span: SpanData) {
        match self {
            Self::Official(queue) => queue.take(span),
            Self::Engine(engine) => engine.take(span),
        }
    }

    /// The same, many at once.
    #[cfg(feature = "performance")]
    pub(super) fn take_all(&self, spans: &mut dyn Iterator<Item = Ended>) {
        match self {
            Self::Official(queue) => spans
                .map(Ended::into_span_data)
                .for_each(|span| queue.take(span)),
            Self::Engine(engine) => engine.take_all(spans),
        }
    }

    /// The same where notes are read.
    #[cfg(feature = "performance")]
    pub(super) fn pass_on(&self, spans: &mut EndedSpans<'_>) {
        match self {
            Self::Official(_) => self.take_all(spans),
            Self::Engine(engine) => engine.pass_on(spans),
        }
    }

    pub(super) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Official(queue) => queue.flush(timeout),
            #[cfg(feature = "performance")]
            Self::Engine(engine) => engine.flush(timeout),
        }
    }

    pub(super) fn close(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Official(queue) => queue.close(timeout),
            #[cfg(feature = "performance")]
            Self::Engine(engine) => engine.close(timeout),
        }
    }

    #[cfg(feature = "performance")]
    pub(super) fn watch(&self) -> Option<BatchWatch> {
        match self {
            Self::Official(_) => None,
            Self::Engine(engine) => Some(engine.watch()),
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
            Self::Engine(engine) => engine.attach(provider, default_timeout, beside, red),
        }
    }
}

/// An engine of `performance`, whatever lies in its queue.
#[cfg(feature = "performance")]
pub(super) trait QueueEngine: Send + Sync + fmt::Debug {
    fn account(&self) -> &Account;
    fn handling(&self) -> Handling;
    fn take(&self, span: SpanData);
    fn take_all(&self, spans: &mut dyn Iterator<Item = Ended>);
    fn pass_on(&self, spans: &mut EndedSpans<'_>);
    fn flush(&self, timeout: Duration) -> OTelSdkResult;
    fn close(&self, timeout: Duration) -> OTelSdkResult;
    fn watch(&self) -> BatchWatch;
    fn attach(
        &self,
        provider: TracerProviderBuilder,
        default_timeout: Duration,
        beside: &SpanPath,
        red: &Red,
    ) -> TracerProviderBuilder;
}

/// Of a shared one: its threads share it, too.
#[cfg(feature = "performance")]
impl<S: Store, E: Deliver<S>> QueueEngine for Arc<Engine<S, E>> {
    fn account(&self) -> &Account {
        &self.account
    }

    fn handling(&self) -> Handling {
        E::HANDLING
    }

    fn take(&self, span: SpanData) {
        E::accept(self, span);
    }

    fn take_all(&self, spans: &mut dyn Iterator<Item = Ended>) {
        E::accept_all(self, spans);
    }

    fn pass_on(&self, spans: &mut EndedSpans<'_>) {
        E::pass_on(self, spans);
    }

    fn flush(&self, timeout: Duration) -> OTelSdkResult {
        Engine::flush(self, timeout)
    }

    fn close(&self, timeout: Duration) -> OTelSdkResult {
        Engine::close(self, timeout)
    }

    fn watch(&self) -> BatchWatch {
        Engine::watch(self)
    }

    fn attach(
        &self,
        provider: TracerProviderBuilder,
        default_timeout: Duration,
        beside: &SpanPath,
        red: &Red,
    ) -> TracerProviderBuilder {
        let processor = EngineProcessor {
            engine: Arc::clone(self),
            default_timeout,
        };
        #[cfg(feature = "ebpf")]
        let processor = crate::extensions::ebpf::EbpfSpanProcessor::in_pipeline(processor);
        red.attach(provider, processor, beside)
    }
}
