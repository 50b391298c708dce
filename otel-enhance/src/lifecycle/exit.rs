//! `std::process::exit`, and a `main` that returns while its guard lives in a static or was forgotten.

use std::io;
use std::sync::{Mutex, PoisonError};

static ARMED: Mutex<bool> = Mutex::new(false);

pub(super) fn arm() -> io::Result<()> {
    let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*armed {
        super::sys::at_exit(flush)?;
        *armed = true;
    }
    Ok(())
}

/// Runs on the thread that called `exit`, while all others go on.
extern "C" fn flush() {
    // A panic must not cross into C; there is nobody left to tell of it.
    let _ = std::panic::catch_unwind(|| crate::pipeline::finish_at_exit(super::EXIT_DEADLINE));
}
