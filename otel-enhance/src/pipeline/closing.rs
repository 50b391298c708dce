//! The end of a queue, whatever kind of queue it is: one thread closes it and the others wait with that
//! one; what is not exported by the deadline is counted as dropped.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use super::account::Account;
use crate::export::DropReason;
use crate::export::runtime::{ExportRuntime, is_exporting};

/// After the deadline, exports that can be cancelled need this long at most to be gone.
pub(crate) const GRACE: Duration = Duration::from_millis(100);
/// For deadlines that the clock cannot express.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a queue is being closed, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    has_begun: AtomicBool,
    /// The timeout that was too short, for those who ask again.
    outcome: OnceLock<Option<Duration>>,
}

impl Closing {
    /// Closes the account, lets `drain` export what is queued by the deadline that it is given, and settles
    /// the account with whether that was all.
    pub(crate) fn close(
        &self,
        account: &Account,
        runtime: &ExportRuntime,
        timeout: Duration,
        drain: impl FnOnce(Instant) -> bool,
    ) -> OTelSdkResult {
        if account.is_foreign() {
            // The queue is the parent's.
            return Ok(());
        }
        refuse_inside_an_export("shutdown")?;
        let deadline = deadline_after(timeout);
        if self.has_begun.swap(true, Ordering::AcqRel) {
            return if account.wait_until(deadline, || account.is_settled()) {
                self.outcome()
            } else {
                Err(OTelSdkError::Timeout(timeout))
            };
        }
        account.close();
        runtime.cut_off(deadline);
        let (too_short, reason) = if drain(deadline) {
            // Spans that slipped past the closing door.
            (None, DropReason::AfterShutdown)
        } else {
            (Some(timeout), DropReason::ShutdownDeadline)
        };
        // Nobody else sets it: only one begins.
        let _ = self.outcome.set(too_short);
        account.settle(reason);
        self.outcome()
    }

    fn outcome(&self) -> OTelSdkResult {
        match self.outcome.get().copied().flatten() {
            Some(timeout) => Err(OTelSdkError::Timeout(timeout)),
            None => Ok(()),
        }
    }
}

/// An export that waits for a flush or a shutdown waits for itself.
pub(crate) fn refuse_inside_an_export(what: &str) -> OTelSdkResult {
    if is_exporting() {
        return Err(OTelSdkError::InternalFailure(format!(
            "a {what} inside an export would wait for itself"
        )));
    }
    Ok(())
}

pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + FOREVER)
}
