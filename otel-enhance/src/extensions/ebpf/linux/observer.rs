//! What contexts tell: the official hook for profilers, of which a process has one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

use opentelemetry::Context;
use opentelemetry::context::{ContextObserver, GlobalContextObserver, ObserverContextView};

use super::thread;

/// Whether contexts tell us.
static IS_OURS: AtomicBool = AtomicBool::new(false);

struct Observer;

impl ContextObserver for Observer {
    fn on_context_enter(&self, _: &Context, to: &Context) {
        thread::enter(to);
    }

    fn on_context_exit(&self, from: &Context, to: &Context) {
        thread::exit(from, to);
    }

    fn make_view(&self, _: &Context) -> Option<Arc<dyn ObserverContextView>> {
        if !IS_OURS.load(Ordering::Relaxed) {
            IS_OURS.store(true, Ordering::Relaxed);
        }
        None
    }
}

/// Has contexts tell us from now on; whether they do, because another may have been there before.
pub(super) fn install() -> bool {
    static SET: Once = Once::new();
    struct Probe;
    SET.call_once(|| {
        GlobalContextObserver::set(Arc::new(Observer));
        // Whoever the observer is makes a view of this.
        let _ = Context::new().with_value(Probe);
    });
    IS_OURS.load(Ordering::Relaxed)
}
