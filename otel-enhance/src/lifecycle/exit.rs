//! `std::process::exit`, and a `main` that returns while its guard lives in a static or was forgotten.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::EXIT_DEADLINE;

static ARMED: Mutex<bool> = Mutex::new(false);
static FINISHED: Mutex<bool> = Mutex::new(false);
static SIGNAL: Condvar = Condvar::new();

/// For a processor of the application's that does not keep the deadline it is given.
const GRACE: Duration = Duration::from_millis(200);

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
    let _ = std::panic::catch_unwind(|| {
        if crate::pipeline::has_something_to_finish() {
            flush_on_a_thread();
        }
    });
}

/// The C library has destroyed this thread's locals already, the official context stack among them: the
/// work needs a thread of its own.
fn flush_on_a_thread() {
    let spawned = thread::Builder::new()
        .name("otel-enhance-exit".to_owned())
        .spawn(|| {
            crate::pipeline::finish_at_exit(EXIT_DEADLINE);
            *FINISHED.lock().unwrap_or_else(PoisonError::into_inner) = true;
            SIGNAL.notify_all();
        });
    if spawned.is_err() {
        return;
    }
    let finished = FINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    // Whether it is finished or late, the process ends now.
    let _ = SIGNAL.wait_timeout_while(finished, EXIT_DEADLINE + GRACE, |finished| !*finished);
}
