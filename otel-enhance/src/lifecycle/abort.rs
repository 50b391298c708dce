//! `panic = "abort"`: no destructor runs, so the panic hook is the last code that does.

use std::sync::Once;

static ARMED: Once = Once::new();

/// Chains a hook behind the one that is there. With `panic = "unwind"` the guard's drop does the work,
/// and a panic is no end: nothing is hung up.
pub(super) fn arm() {
    if !cfg!(panic = "abort") {
        return;
    }
    ARMED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            previous(info);
            crate::pipeline::finish_at_abort();
        }));
    });
}
