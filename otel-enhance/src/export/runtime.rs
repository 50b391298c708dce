//! The runtime that exports run on: ours, so that neither its flavour nor its end depends on the
//! application's.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use crate::InitError;

thread_local! {
    /// This thread is exporting: it cannot wait for its own export to end.
    static EXPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside an export.
pub(crate) fn is_exporting() -> bool {
    EXPORTING.get()
}

/// Says whether this thread is inside an export.
pub(crate) fn mark_exporting(exporting: bool) {
    EXPORTING.set(exporting);
}

/// A tokio runtime with one worker, which does the I/O of exports and keeps their time.
///
/// It may be built and dropped anywhere, inside another runtime too. Clones share it; the last one
/// ends it without waiting.
#[derive(Clone)]
pub(crate) struct ExportRuntime {
    shared: Arc<Shared>,
}

struct Shared {
    handle: Handle,
    /// `Some` until the drop.
    runtime: Option<Runtime>,
    /// When exports must have ended, once shutdown has begun.
    cut_off: watch::Sender<Option<Instant>>,
}

impl ExportRuntime {
    /// Starts the worker.
    pub(crate) fn new() -> Result<Self, InitError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            // Name resolution blocks, one name at a time.
            .max_blocking_threads(4)
            .thread_name("otel-enhance-export")
            .on_thread_start(|| {
                // What runs here is our transport: spans that it would start, through an
                // instrumented HTTP stack for one, would be telemetry about telemetry. The guard
                // is forgotten because it holds for as long as the thread lives.
                std::mem::forget(Context::enter_telemetry_suppressed_scope());
            })
            .enable_io()
            .enable_time()
            .build()
            .map_err(InitError::Runtime)?;
        Ok(Self {
            shared: Arc::new(Shared {
                handle: runtime.handle().clone(),
                runtime: Some(runtime),
                cut_off: watch::Sender::new(None),
            }),
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.shared.handle
    }

    /// Every export that still runs at `at` is given up, and later ones do not begin: shutdown's
    /// deadline. Their spans are counted as dropped for `ShutdownDeadline`.
    pub(crate) fn cut_off(&self, at: Instant) {
        self.shared.cut_off.send_replace(Some(at));
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.shared
            .cut_off
            .borrow()
            .is_some_and(|at| at <= Instant::now())
    }

    /// Ends when the cut-off is reached; never, if none is set.
    pub(super) async fn cut_off_reached(&self) {
        let mut changes = self.shared.cut_off.subscribe();
        loop {
            let at = *changes.borrow_and_update();
            match at {
                None => {
                    // The sender lives in `self`, so the channel cannot close.
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
                Some(at) => {
                    let changed = tokio::time::timeout_at(at.into(), changes.changed()).await;
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Polls `future` with this runtime entered and telemetry suppressed, wherever it is polled.
    pub(super) fn enter_each_poll<F: Future>(&self, future: F) -> EnterEachPoll<F> {
        EnterEachPoll {
            runtime: self.clone(),
            future: Box::pin(future),
        }
    }

    /// Runs `build` on a plain thread that has this runtime entered: there a blocking HTTP client
    /// and a tonic channel can both be built, wherever the caller stands.
    ///
    /// # Errors
    ///
    /// [`InitError::ExporterPanicked`] with the panic's message; [`InitError::Runtime`] if the
    /// thread cannot be started.
    pub(crate) fn build_guarded<T: Send>(
        &self,
        build: impl FnOnce() -> T + Send,
    ) -> Result<T, InitError> {
        thread::scope(|scope| {
            let built = thread::Builder::new()
                .name("otel-enhance-build".to_owned())
                .spawn_scoped(scope, || {
                    let _entered = self.handle().enter();
                    let _suppressed = Context::enter_telemetry_suppressed_scope();
                    catch_unwind(AssertUnwindSafe(build))
                })
                .map_err(InitError::Runtime)?
                .join();
            match built {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(panic)) | Err(panic) => {
                    Err(InitError::ExporterPanicked(panic_message(&*panic)))
                }
            }
        })
    }
}

impl fmt::Debug for ExportRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportRuntime").finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A plain drop waits for tasks, and panics inside another runtime.
            runtime.shutdown_background();
        }
    }
}

/// See [`ExportRuntime::enter_each_poll`].
pub(super) struct EnterEachPoll<F> {
    runtime: ExportRuntime,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for EnterEachPoll<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.runtime.shared.handle.enter();
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        this.future.as_mut().poll(cx)
    }
}

/// Drives `future` on this thread, which parks in between. Unlike tokio's `block_on` it does not
/// mark the thread as being inside a runtime, where blocking clients refuse to work.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = TaskContext::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}

/// What a panic said, if it said it in text.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn build_guarded_given_panic_returns_its_message() {
        let runtime = ExportRuntime::new().unwrap();
        let error = runtime
            .build_guarded(|| -> u8 { panic!("no such collector") })
            .unwrap_err();
        assert!(
            matches!(&error, InitError::ExporterPanicked(text) if text == "no such collector"),
            "{error}"
        );
    }

    #[test]
    fn build_guarded_called_inside_a_runtime_runs_outside_it_with_ours_entered() {
        let application = Builder::new_current_thread().build().unwrap();
        application.block_on(async {
            let runtime = ExportRuntime::new().unwrap();
            let ours = runtime.handle().id();
            let (entered, blocking_works) = runtime
                .build_guarded(|| {
                    let entered = Handle::current().id();
                    // `block_on` panics on a thread that is inside a runtime.
                    let inner = Builder::new_current_thread().build().unwrap();
                    (entered, inner.block_on(async { true }))
                })
                .unwrap();
            assert_eq!(entered, ours);
            assert!(blocking_works);
            // Dropped here, inside the application's runtime: must not panic.
            drop(runtime);
        });
    }

    #[test]
    fn cut_off_moved_earlier_ends_the_wait_at_the_new_time() {
        let runtime = ExportRuntime::new().unwrap();
        runtime.cut_off(Instant::now() + Duration::from_secs(600));
        let waiting = runtime.clone();
        let waiter = thread::spawn(move || {
            block_on(waiting.enter_each_poll(waiting.cut_off_reached()));
        });
        let begun = Instant::now();
        runtime.cut_off(begun + Duration::from_millis(50));
        waiter.join().unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn worker_thread_suppresses_telemetry() {
        let runtime = ExportRuntime::new().unwrap();
        let task = runtime
            .handle()
            .spawn(async { Context::is_current_telemetry_suppressed() });
        assert!(block_on(runtime.enter_each_poll(task)).unwrap());
    }
}
