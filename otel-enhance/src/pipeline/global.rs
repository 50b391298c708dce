//! The official global provider: found, replaced, and put back.
//!
//! The global can be read only as a `GlobalTracerProvider`, and setting one wraps it once more. So what
//! was found first is kept, and when our own mark is found on the current global, the kept one is used
//! instead of reading it again. The mark answers a probe: no other question can be asked of the global.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use opentelemetry::InstrumentationScope;
use opentelemetry::global::{self, BoxedTracer, GlobalTracerProvider};
use opentelemetry::trace::{Span, Tracer, TracerProvider};

/// What stood there before the first install, or what the application has put there since.
static FOUND: Mutex<Option<GlobalTracerProvider>> = Mutex::new(None);

/// What our marks say to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Installed(u64),
    Restored,
}

thread_local! {
    /// `Some` while this thread probes.
    static PROBE: Cell<Option<Option<Mark>>> = const { Cell::new(None) };
}

/// Makes `provider` the global one; `id` tells it from other installs.
pub(super) fn install<P, T, S>(provider: P, id: u64)
where
    P: TracerProvider<Tracer = T> + Send + Sync + 'static,
    T: Tracer<Span = S> + Send + Sync + 'static,
    S: Span + Send + Sync + 'static,
{
    if current_mark().is_none() {
        *found() = Some(global::tracer_provider());
    }
    global::set_tracer_provider(Installed { provider, id });
}

/// Puts back what was found, unless the application has set another one since `id` was installed.
pub(super) fn restore(id: u64) {
    if current_mark() != Some(Mark::Installed(id)) {
        return;
    }
    let provider = found().clone();
    if let Some(provider) = provider {
        global::set_tracer_provider(Restored(provider));
    }
}

fn found() -> std::sync::MutexGuard<'static, Option<GlobalTracerProvider>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

fn current_mark() -> Option<Mark> {
    PROBE.set(Some(None));
    let scope = InstrumentationScope::builder("otel-enhance/probe").build();
    let _ = global::tracer_provider().tracer_with_scope(scope);
    PROBE.take().flatten()
}

/// The answer, if a probe asks.
fn answer(mark: Mark) {
    if PROBE.get() == Some(None) {
        PROBE.set(Some(Some(mark)));
    }
}

struct Installed<P> {
    provider: P,
    id: u64,
}

impl<P: TracerProvider> TracerProvider for Installed<P> {
    type Tracer = P::Tracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> P::Tracer {
        answer(Mark::Installed(self.id));
        self.provider.tracer_with_scope(scope)
    }
}

struct Restored(GlobalTracerProvider);

impl TracerProvider for Restored {
    type Tracer = BoxedTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> BoxedTracer {
        answer(Mark::Restored);
        self.0.tracer_with_scope(scope)
    }
}
