//! The official batch processor, between our door and our exporter: bounded, counted, and with
//! deadlines that hold.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use opentelemetry::Context;
use opentelemetry::trace::Span as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

use super::account::Account;
use super::closing::{Closing, GRACE, deadline_after, refuse_inside_an_export};
use crate::InitError;
use crate::config::BatchSettings;
use crate::export::runtime::{ExportRuntime, mark_exporting};
#[cfg(feature = "ebpf")]
use crate::extensions::ebpf;

/// Between two tries to reach a batch thread whose control channel is full.
const RETRY: Duration = Duration::from_millis(5);

/// The queue of spans that wait for their export.
#[derive(Debug)]
pub(super) struct ExportQueue {
    processor: BatchSpanProcessor,
    pub(super) account: Arc<Account>,
    runtime: ExportRuntime,
    default_timeout: Duration,
    closing: Closing,
    flushing: AtomicBool,
}

impl ExportQueue {
    /// Starts the batch thread.
    pub(super) fn start<E: SpanExporter + 'static>(
        exporter: E,
        batch: BatchSettings,
        resource: &Resource,
        account: Arc<Account>,
        runtime: ExportRuntime,
        default_timeout: Duration,
    ) -> Result<Arc<Self>, InitError> {
        let exporter = AccountedExporter {
            inner: exporter,
            account: Arc::clone(&account),
        };
        // The builder starts from `OTEL_BSP_*`, so every value is set. Its concurrency and export
        // timeout are not read by this processor: exports are serial, and the exporter keeps the time.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(batch.max_queue_size)
            .with_max_export_batch_size(batch.max_export_batch_size)
            .with_scheduled_delay(batch.scheduled_delay)
            .build();
        // The SDK panics where its thread cannot be started.
        let mut processor = catch_unwind(AssertUnwindSafe(|| {
            BatchSpanProcessor::builder(exporter)
                .with_batch_config(config)
                .build()
        }))
        .map_err(|_| InitError::Runtime(io::Error::other("no thread for the batch processor")))?;
        processor.set_resource(resource);
        Ok(Arc::new(Self {
            processor,
            account,
            runtime,
            default_timeout,
            closing: Closing::default(),
            flushing: AtomicBool::new(false),
        }))
    }

    /// A span has ended on the fast path.
    #[cfg(feature = "performance")]
    pub(super) fn take(&self, span: SpanData) {
        // As the specification has it; the official processor exports what is recorded only, too.
        if span.span_context.is_sampled() && self.account.admit() {
            self.processor.on_end(span);
        }
    }

    /// Exports what is queued now.
    pub(super) fn flush(self: &Arc<Self>, timeout: Duration) -> OTelSdkResult {
        if self.account.is_foreign() {
            return Ok(());
        }
        refuse_inside_an_export("flush")?;
        let deadline = deadline_after(timeout);
        let target = self.account.flush_target();
        while !self.account.has_completed(target) {
            if self.account.is_settled() {
                return Err(OTelSdkError::AlreadyShutdown);
            }
            self.start_flush();
            let progressed = self.account.wait_until(deadline, || {
                self.account.has_completed(target) || !self.flushing.load(Ordering::Acquire)
            });
            if !progressed {
                return Err(OTelSdkError::Timeout(timeout));
            }
        }
        Ok(())
    }

    /// The official flush blocks for up to 5 s, whatever the caller's deadline: a thread waits for it.
    fn start_flush(self: &Arc<Self>) {
        if self.flushing.swap(true, Ordering::AcqRel) {
            return;
        }
        let queue = Arc::clone(self);
        let flush = move || {
            // A failed export is counted and logged by the exporter.
            let _ = queue.processor.force_flush();
            queue.flushing.store(false, Ordering::Release);
            queue.account.notify();
        };
        let spawned = thread::Builder::new()
            .name("otel-enhance-flush".to_owned())
            .spawn(flush.clone());
        if spawned.is_err() {
            flush();
        }
    }

    /// Exports what is queued, and ends the queue. Whoever calls second waits with the first.
    pub(super) fn close(&self, timeout: Duration) -> OTelSdkResult {
        let drain = |deadline| self.drain(deadline + GRACE) && Instant::now() < deadline;
        self.closing
            .close(&self.account, &self.runtime, timeout, drain)
    }

    /// The official shutdown, tried again where a full control channel refuses it.
    fn drain(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.processor.shutdown_with_timeout(left) {
                Ok(()) | Err(OTelSdkError::AlreadyShutdown) => return true,
                Err(OTelSdkError::Timeout(_)) => return false,
                Err(OTelSdkError::InternalFailure(_)) if left > RETRY => thread::sleep(RETRY),
                Err(OTelSdkError::InternalFailure(_)) => return false,
            }
        }
    }
}

/// The provider's handle to the queue.
#[derive(Debug)]
pub(super) struct AccountingProcessor(pub(super) Arc<ExportQueue>);

impl SpanProcessor for AccountingProcessor {
    fn on_start(&self, span: &mut Span, _: &Context) {
        #[cfg(feature = "ebpf")]
        ebpf::begun(span.span_context());
        if span.span_context().is_sampled() {
            self.0.account.span_started();
        }
    }

    /// What the span did is put into it here, and not by a processor in front of this one: a span that is touched on its
    /// way is copied by whoever hands it on, and the copy reads what was written just now.
    #[cfg_attr(
        not(feature = "ebpf"),
        expect(unused_mut, reason = "there is nothing to put into it")
    )]
    fn on_end(&self, mut span: SpanData) {
        let queue = &*self.0;
        if span.span_context.is_sampled() {
            #[cfg(feature = "ebpf")]
            ebpf::load(&mut span);
            if queue.account.admit() {
                queue.processor.on_end(span);
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush(self.0.default_timeout)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.close(timeout)
    }
}

/// Tells the account which spans have left the queue, and which are done.
#[derive(Debug)]
struct AccountedExporter<E> {
    inner: E,
    account: Arc<Account>,
}

/// Counts a batch as completed even if its export panics.
struct Completion<'a> {
    account: &'a Account,
    spans: usize,
}

impl Drop for Completion<'_> {
    fn drop(&mut self) {
        mark_exporting(false);
        self.account.batch_completed(self.spans);
    }
}

impl<E: SpanExporter> SpanExporter for AccountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let completion = Completion {
            account: &self.account,
            spans: batch.len(),
        };
        self.account.batch_received(completion.spans);
        // The batch thread polls until the end, so the mark stays on one thread.
        mark_exporting(true);
        self.inner.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
