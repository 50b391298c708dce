//! The threads that take batches out of the queue and export them, several at once.
//!
//! Each export has a plain thread of its own, which parks while our runtime does the I/O: so exporters
//! with a blocking client work as well as asynchronous ones, and one that hangs holds up nobody else.
//! Threads are started when they are needed; one more than exports run waits for the next batch.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{io, thread};

use opentelemetry::Context;
use opentelemetry::trace::Span as _;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::ended::{Ended, EndedSpans};
use super::hub::Handling;
use super::queue::{BatchQueue, Pushed, Refusal, Ticket};
use super::store::Store;
use crate::InitError;
use crate::export::report::Delivery;
use crate::export::runtime::{
    ExportRuntime, block_on, is_exporting, mark_exporting, panic_message,
};
use crate::export::{DropReason, ErasedExporter};
use crate::pipeline::account::Account;
use crate::pipeline::closing::{Closing, GRACE, deadline_after, refuse_inside_an_export};

/// Takes batches, and keeps the account of what became of their items.
pub(crate) trait Deliver<S: Store>: Send + Sync + fmt::Debug + Sized + 'static {
    /// A batch as it is exported.
    type Load: Send;
    /// What the queue holds of records.
    const HANDLING: Handling = Handling::Takes;

    /// Takes so many items out of `chunks`.
    fn load(&self, chunks: &mut [S], items: usize) -> Self::Load;
    fn deliver(&self, load: Self::Load) -> impl Future<Output = ()> + Send;
    /// An official span has ended.
    fn accept(engine: &Arc<Engine<S, Self>>, span: SpanData);
    /// Spans of the fast path have ended; those that are not sampled are let go.
    fn accept_all(engine: &Arc<Engine<S, Self>>, spans: &mut dyn Iterator<Item = Ended>) {
        spans
            .map(Ended::into_span_data)
            .for_each(|span| Self::accept(engine, span));
    }
    /// The same where notes are read, which say what each weighs.
    fn pass_on(engine: &Arc<Engine<S, Self>>, spans: &mut EndedSpans<'_>) {
        Self::accept_all(engine, spans);
    }
    /// What is flushed and shut down with the queue.
    fn exporter(&self) -> &ErasedExporter;
}

impl Deliver<VecDeque<SpanData>> for ErasedExporter {
    type Load = Vec<SpanData>;

    fn load(&self, chunks: &mut [VecDeque<SpanData>], items: usize) -> Vec<SpanData> {
        let mut batch = Vec::with_capacity(items);
        for chunk in chunks {
            batch.extend(chunk.drain(..));
        }
        batch
    }

    fn accept(engine: &Arc<SpanEngine>, span: SpanData) {
        if span.span_context.is_sampled() && engine.account.admit() {
            engine.push(span);
        }
    }

    async fn deliver(&self, batch: Vec<SpanData>) {
        // The account and the log have what went wrong.
        let _ = self.export(batch).await;
    }

    fn exporter(&self) -> &ErasedExporter {
        self
    }
}

/// A queue with its threads.
#[derive(Debug)]
pub(crate) struct Engine<S, E> {
    pub(crate) queue: Arc<BatchQueue<S>>,
    pub(crate) account: Arc<Account>,
    delivery: Arc<Delivery>,
    pub(super) exporter: E,
    runtime: ExportRuntime,
    started: AtomicBool,
    closing: Closing,
}

impl<S, E> Engine<S, E>
where
    S: Store,
    E: Deliver<S>,
{
    pub(crate) fn new(
        queue: BatchQueue<S>,
        exporter: E,
        account: Arc<Account>,
        delivery: Arc<Delivery>,
        runtime: ExportRuntime,
    ) -> Self {
        Self {
            queue: Arc::new(queue),
            account,
            delivery,
            exporter,
            runtime,
            started: AtomicBool::new(false),
            closing: Closing::default(),
        }
    }

    /// A new one whose first thread runs.
    pub(crate) fn open(
        queue: BatchQueue<S>,
        exporter: E,
        account: Arc<Account>,
        delivery: Arc<Delivery>,
        runtime: ExportRuntime,
    ) -> Result<Arc<Self>, InitError> {
        let engine = Arc::new(Self::new(queue, exporter, account, delivery, runtime));
        engine.start().map_err(InitError::Runtime)?;
        Ok(engine)
    }

    /// The exporter, until the first thread has started.
    pub(crate) fn exporter_mut(&mut self) -> &mut E {
        &mut self.exporter
    }

    /// Starts the first thread, if it does not run yet.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        if self.started.swap(true, Ordering::AcqRel) || !self.queue.worker_starts() {
            return Ok(());
        }
        let started = self.spawn_worker();
        if started.is_err() {
            self.started.store(false, Ordering::Release);
        }
        started
    }

    /// A sampled item that has ended, and that the account has admitted.
    pub(crate) fn push(self: &Arc<Self>, item: S::Item<'_>) {
        self.start_late();
        match self.queue.push(item, !is_exporting()) {
            Pushed::Kept => {}
            Pushed::Evicted(out) => {
                self.delivery
                    .dropped(DropReason::QueueFull, out.len() as u64);
            }
            Pushed::Refused(refusal) => self.delivery.dropped(refusal.reason(), 1),
        }
    }

    /// The same with many items.
    pub(crate) fn push_all<'a>(self: &Arc<Self>, items: impl IntoIterator<Item = S::Item<'a>>) {
        self.start_late();
        let refused = |refusal: Refusal| self.delivery.dropped(refusal.reason(), 1);
        let evicted = self.queue.push_all(items, !is_exporting(), refused);
        if evicted > 0 {
            self.delivery.dropped(DropReason::QueueFull, evicted as u64);
        }
    }

    /// The same with a group of items that weigh so much together.
    #[inline(always)]
    pub(crate) fn push_group<'a>(
        self: &Arc<Self>,
        group: impl ExactSizeIterator<Item = S::Item<'a>>,
        weight: usize,
    ) {
        self.start_late();
        let refused = |refusal: Refusal| self.delivery.dropped(refusal.reason(), 1);
        let evicted = self
            .queue
            .push_group(group, weight, !is_exporting(), refused);
        if evicted > 0 {
            self.delivery.dropped(DropReason::QueueFull, evicted as u64);
        }
    }

    fn start_late(self: &Arc<Self>) {
        if !self.started.load(Ordering::Acquire) {
            // Tried again with the next one: until then it waits.
            let _ = self.start();
        }
    }

    /// Starts a thread that the queue has counted.
    fn spawn_worker(self: &Arc<Self>) -> io::Result<()> {
        let engine = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name("otel-enhance-batch".to_owned())
            .spawn(move || engine.work());
        if spawned.is_err() {
            self.queue.worker_ended();
        }
        spawned.map(drop)
    }

    fn work(self: Arc<Self>) {
        mark_exporting(true);
        // Leaves the queue even if an export unwinds, so that another thread may take its place.
        let _working = Working(&self.queue);
        while let Some(mut batch) = self.queue.next() {
            let _taken = Taken(&self.queue, batch.ticket);
            if batch.wants_worker {
                // Without it the next batch waits for this one; the next need tries again.
                let _ = self.spawn_worker();
            }
            let load = self.exporter.load(&mut batch.chunks, batch.ticket.items);
            self.queue.recycle(batch.chunks);
            block_on(self.exporter.deliver(load));
        }
    }

    /// Exports what waits now.
    pub(crate) fn flush(self: &Arc<Self>, timeout: Duration) -> OTelSdkResult {
        if self.account.is_foreign() {
            return Ok(());
        }
        refuse_inside_an_export("flush")?;
        if self.account.is_settled() {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let deadline = deadline_after(timeout);
        if !self.queue.flush(deadline) {
            return Err(OTelSdkError::Timeout(timeout));
        }
        if self.account.is_settled() {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let flushed = self.call_exporter(deadline, |exporter| exporter.force_flush());
        flushed.unwrap_or(Err(OTelSdkError::Timeout(timeout)))
    }

    /// Exports what waits, and ends the threads. Whoever calls second waits with the first.
    pub(crate) fn close(self: &Arc<Self>, timeout: Duration) -> OTelSdkResult {
        let drain = |deadline: Instant| {
            self.queue.close();
            let is_drained = self.queue.flush(deadline + GRACE) && Instant::now() < deadline;
            if !is_drained {
                self.queue.discard();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // A failure here loses no span: all of them are delivered, or counted.
            self.call_exporter(deadline, move |exporter| {
                exporter.shutdown_with_timeout(left)
            });
            is_drained
        };
        self.closing
            .close(&self.account, &self.runtime, timeout, drain)
    }

    /// Calls what may block, on a thread of its own; `None` if it has not returned by `deadline`.
    fn call_exporter(
        self: &Arc<Self>,
        deadline: Instant,
        call: impl FnOnce(&ErasedExporter) -> OTelSdkResult + Send + 'static,
    ) -> Option<OTelSdkResult> {
        let (answer, answered) = mpsc::sync_channel(1);
        let engine = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name("otel-enhance-flush".to_owned())
            .spawn(move || {
                mark_exporting(true);
                let called = catch_unwind(AssertUnwindSafe(|| call(engine.exporter.exporter())));
                let called = called.unwrap_or_else(|panic| {
                    Err(OTelSdkError::InternalFailure(format!(
                        "the exporter panicked: {}",
                        panic_message(&*panic)
                    )))
                });
                // Nobody waits any more after the deadline.
                let _ = answer.send(called);
            });
        if let Err(error) = spawned {
            return Some(Err(OTelSdkError::InternalFailure(format!(
                "no thread to call the exporter on: {error}"
            ))));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        answered.recv_timeout(left).ok()
    }

    /// Ends the threads without a word to anybody: the last handle is gone.
    pub(crate) fn abandon(&self) {
        if !self.account.is_foreign() {
            self.queue.discard();
        }
    }
}

struct Working<'a, S: Store>(&'a BatchQueue<S>);

impl<S: Store> Drop for Working<'_, S> {
    fn drop(&mut self) {
        self.0.worker_ended();
    }
}

struct Taken<'a, S: Store>(&'a BatchQueue<S>, Ticket);

impl<S: Store> Drop for Taken<'_, S> {
    fn drop(&mut self) {
        self.0.completed(self.1);
    }
}

impl Refusal {
    fn reason(self) -> DropReason {
        match self {
            Self::Items => DropReason::QueueFull,
            Self::Bytes => DropReason::QueueMemory,
            Self::Closed => DropReason::AfterShutdown,
        }
    }
}

/// The engine in front of exporters that want the official `SpanData`.
pub(crate) type SpanEngine = Engine<VecDeque<SpanData>, ErasedExporter>;

/// The provider's handle to an engine.
#[derive(Debug)]
pub(crate) struct EngineProcessor<S, E> {
    pub(crate) engine: Arc<Engine<S, E>>,
    pub(crate) default_timeout: Duration,
}

impl<S: Store, E: Deliver<S>> opentelemetry_sdk::trace::SpanProcessor for EngineProcessor<S, E> {
    fn on_start(&self, span: &mut opentelemetry_sdk::trace::Span, _: &Context) {
        if span.span_context().is_sampled() {
            self.engine.account.span_started();
        }
    }

    fn on_end(&self, span: SpanData) {
        E::accept(&self.engine, span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.engine.flush(self.default_timeout)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.engine.close(timeout)
    }
}
