//! Looking into the sources of errors that other crates wrap.

use std::error::Error;
use std::io;

/// The error that `error` wraps. An `io::Error` made from another error hides it from `source`.
fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>()
        && let Some(inner) = io.get_ref()
    {
        return Some(inner);
    }
    error.source()
}

/// The first `E` among `error` and what it wraps.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut looked_at = Some(error);
    while let Some(error) = looked_at {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        looked_at = next(error);
    }
    None
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut looked_at = next(error);
    while let Some(error) = looked_at {
        let cause = error.to_string();
        // Wrappers often repeat what they wrap.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        looked_at = next(error);
    }
    text
}
