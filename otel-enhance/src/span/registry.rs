//! Which backend annotated functions use, process-wide.
//!
//! The static lives here, in the crate that libraries depend on with `default-features = false`,
//! so that their spans reach whatever the application installs.

use std::cell::RefCell;
use std::fmt;
#[cfg(all(unix, feature = "sdk"))]
use std::sync::RwLockWriteGuard;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, global};

use super::backend::{Backend, ProviderBackend, SpanStart, start_at};

/// 0: nothing is installed; else the number of the installation.
static GENERATION: AtomicU64 = AtomicU64::new(0);

static INSTALLED: RwLock<Installed> = RwLock::new(Installed {
    last_generation: 0,
    stack: Vec::new(),
});

struct Installed {
    last_generation: u64,
    /// The last one is in use; the ones below come back when it is taken out.
    stack: Vec<(u64, Arc<dyn Backend>)>,
}

/// The registry's lock, which a fork holds so that the child finds it free.
#[cfg(all(unix, feature = "sdk"))]
pub(crate) struct RegistryGuard(
    #[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, Installed>,
);

#[cfg(all(unix, feature = "sdk"))]
impl RegistryGuard {
    pub(crate) fn lock() -> Self {
        Self(INSTALLED.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[inline(always)]
pub(crate) fn is_installed() -> bool {
    GENERATION.load(Ordering::Relaxed) != 0
}

/// The number of the installation in use, 0 for none. No two installations have the same.
#[cfg(feature = "performance")]
#[inline(always)]
pub(crate) fn installation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// The thread's own reference to the backend, so that starting a span takes no lock and touches no
/// shared reference count.
struct Cached {
    generation: u64,
    backend: Option<Arc<dyn Backend>>,
}

#[cfg(feature = "performance")]
impl Drop for Cached {
    /// While this lives, the official context stack does: see below. The fast path relies on it, too,
    /// without asking here each time.
    fn drop(&mut self) {
        crate::extensions::performance::ask_again();
    }
}

thread_local! {
    static CACHED: RefCell<Cached> = {
        // Thread-locals are destroyed last in, first out: while this one lives, the official
        // context stack does too, and attaching cannot panic.
        Context::map_current(|_| ());
        const { RefCell::new(Cached { generation: 0, backend: None }) }
    };
}

/// Calls `f` with the installed backend and the number of its installation, if there is one and the
/// thread is not being torn down.
#[inline]
pub(crate) fn with_backend<R>(f: impl FnOnce(&dyn Backend, u64) -> R) -> Option<R> {
    let generation = GENERATION.load(Ordering::Relaxed);
    if generation == 0 {
        return None;
    }
    CACHED
        .try_with(|cached| {
            if let Ok(cached) = cached.try_borrow()
                && cached.generation == generation
                && let Some(backend) = &cached.backend
            {
                return Some(f(&**backend, generation));
            }
            let (generation, backend) = refresh(cached)?;
            Some(f(&*backend, generation))
        })
        .ok()
        .flatten()
}

#[cold]
fn refresh(cached: &RefCell<Cached>) -> Option<(u64, Arc<dyn Backend>)> {
    let (generation, backend) = {
        let installed = INSTALLED.read().unwrap_or_else(PoisonError::into_inner);
        let (generation, backend) = installed.stack.last()?;
        (*generation, Arc::clone(backend))
    };
    // A span processor that starts annotated functions gets here with the cell borrowed: it pays
    // for the lock each time.
    let old = match cached.try_borrow_mut() {
        Ok(mut cached) => std::mem::replace(
            &mut *cached,
            Cached {
                generation,
                backend: Some(Arc::clone(&backend)),
            },
        ),
        Err(_) => return Some((generation, backend)),
    };
    // Outside of the borrow: the last reference to a provider shuts it down.
    drop(old);
    Some((generation, backend))
}

/// Makes `backend` the one that annotated functions use, until the registration is taken out.
///
/// Each thread keeps a reference to the backend it last used, until it starts its next span or
/// ends: whoever must know that a provider is done calls its `shutdown()`.
pub fn install(backend: Arc<dyn Backend>) -> Registration {
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    installed.last_generation += 1;
    let generation = installed.last_generation;
    installed.stack.push((generation, backend));
    GENERATION.store(generation, Ordering::Release);
    Registration { generation }
}

/// Proof of an [`install`]; dropping it changes nothing.
#[derive(Debug)]
#[must_use = "a registration that is not kept can never be taken out"]
pub struct Registration {
    generation: u64,
}

impl Registration {
    /// Takes the backend out. What was installed before it is in use again, unless something else
    /// has been installed since.
    pub fn uninstall(self) {
        let removed = {
            let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
            let at = installed
                .stack
                .iter()
                .position(|(generation, _)| *generation == self.generation);
            let removed = at.map(|at| installed.stack.remove(at));
            let current = installed
                .stack
                .last()
                .map_or(0, |(generation, _)| *generation);
            GENERATION.store(current, Ordering::Release);
            removed
        };
        // Outside of the lock: the last reference to a provider shuts it down.
        drop(removed);
    }
}

/// A provider in two places: the official global and our registry.
struct Shared<P>(Arc<P>);

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: TracerProvider> TracerProvider for Shared<P> {
    type Tracer = P::Tracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> Self::Tracer {
        self.0.tracer_with_scope(scope)
    }
}

/// Sets the official global tracer provider, and lets annotated functions use it.
///
/// Use this instead of `opentelemetry::global::set_tracer_provider` where a provider is built by
/// hand. `init!` and the pipeline builder do it themselves.
///
/// The official function alone leaves annotated functions silent: no public API tells whether the
/// global provider is a no-op, and asking it costs about 100 ns a call. Where it cannot be
/// replaced, see [`follow_global`].
///
/// ```
/// use opentelemetry::trace::noop::NoopTracerProvider;
///
/// otel_enhance::set_tracer_provider(NoopTracerProvider::new());
/// ```
pub fn set_tracer_provider<P, T, S>(provider: P)
where
    P: TracerProvider<Tracer = T> + Send + Sync + 'static,
    T: Tracer<Span = S> + Send + Sync + 'static,
    S: Span + Send + Sync + 'static,
{
    let provider = Shared(Arc::new(provider));
    global::set_tracer_provider(provider.clone());
    replace(Arc::new(ProviderBackend::new(provider)));
}

/// Lets annotated functions use whatever official global tracer provider is set when they are
/// called, at the cost of a look-up a span (about 100 ns).
///
/// For programs in which somebody else calls `opentelemetry::global::set_tracer_provider`.
///
/// ```
/// otel_enhance::follow_global();
/// ```
pub fn follow_global() {
    replace(Arc::new(FollowGlobal));
}

/// Installs for good: what earlier calls of this function installed is let go.
pub(crate) fn replace(backend: Arc<dyn Backend>) {
    static PERMANENT: RwLock<Option<Registration>> = RwLock::new(None);
    let mut permanent = PERMANENT.write().unwrap_or_else(PoisonError::into_inner);
    let new = install(backend);
    if let Some(old) = permanent.replace(new) {
        old.uninstall();
    }
}

struct FollowGlobal;

impl Backend for FollowGlobal {
    fn start(&self, span: &mut SpanStart, parent: &Context, base: &Context) -> Context {
        let tracer = global::tracer_with_scope(span.scope.to_instrumentation_scope());
        start_at(&tracer, span, parent, base)
    }
}

impl fmt::Debug for FollowGlobal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FollowGlobal")
    }
}
