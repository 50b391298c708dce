//! Sending again: what the OTLP specification asks for, for HTTP and gRPC alike.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout_at};

use super::log::lock;
use super::report::{Delivery, DropReason};
use super::sink::Failure;

/// The longest wait that a receiver can impose on us.
const LONGEST_THROTTLE: Duration = Duration::from_secs(300);

/// The time kept for one last attempt before the deadline.
const LAST_ATTEMPT: Duration = Duration::from_millis(500);

/// Waits between attempts: `initial`, then half as much again each time, at most `max`; each is
/// shortened by up to a quarter at random, so that many clients do not return in step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// Before attempt `attempt` + 1, the first being number 0.
    fn wait(&self, attempt: u32) -> Duration {
        let grown = self
            .initial
            .as_secs_f64()
            .mul_add(1.5_f64.powi(attempt.min(64).cast_signed()), 0.0)
            .min(self.max.as_secs_f64());
        // The hasher's keys are random; that is all the randomness jitter needs.
        let random = RandomState::new().build_hasher().finish() % 1000;
        Duration::from_secs_f64(grown * (1.0 - 0.25 * random as f64 / 1000.0))
    }
}

/// One attempt that did not succeed.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) again: Again,
    /// The receiver may hold the spans nonetheless.
    pub(super) may_have_arrived: bool,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    No,
    /// After a wait of our choice.
    Backoff,
    /// After the receiver's.
    After(Duration),
    /// At once: another address is there.
    #[cfg(feature = "performance")]
    Elsewhere,
}

impl Trouble {
    pub(super) fn rejected(detail: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(DropReason::Rejected, detail),
            again: Again::No,
            may_have_arrived: false,
        }
    }

    pub(super) fn unreachable(detail: impl Into<String>, may_have_arrived: bool) -> Self {
        Self {
            failure: Failure::new(DropReason::Unreachable, detail),
            again: Again::Backoff,
            may_have_arrived,
        }
    }

    #[cfg(feature = "tls-no-provider")]
    pub(super) fn credentials(detail: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(DropReason::Credentials, detail),
            again: Again::Backoff,
            may_have_arrived: false,
        }
    }
}

/// Delivers to one destination, one batch after the other.
#[derive(Debug)]
pub(super) struct Courier {
    /// One export, its retries included.
    timeout: Duration,
    backoff: Backoff,
    delivery: Arc<Delivery>,
    #[cfg(feature = "performance")]
    budget: Option<&'static super::pool::RetryBudget>,
    /// The receiver asked us to stay away until then.
    throttled_until: Mutex<Option<Instant>>,
}

impl Courier {
    pub(super) fn new(timeout: Duration, backoff: Backoff, delivery: Arc<Delivery>) -> Self {
        Self {
            timeout,
            backoff,
            delivery,
            #[cfg(feature = "performance")]
            budget: None,
            throttled_until: Mutex::new(None),
        }
    }

    /// Shares its retries with others.
    #[cfg(feature = "performance")]
    pub(super) fn with_budget(mut self, budget: &'static super::pool::RetryBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// `wait`, or longer where too many try again.
    #[cfg(feature = "performance")]
    fn in_turn(&self, wait: Duration, at_most: Duration) -> Duration {
        match self.budget.map(|budget| budget.take(at_most)) {
            Some(Some(turn)) => wait.max(turn),
            // Not within the time that there is.
            Some(None) => at_most,
            None => wait,
        }
    }

    /// Calls `attempt` until it succeeds, is refused for good, or the timeout has passed.
    pub(super) async fn deliver<T, F>(
        &self,
        spans: u64,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let deadline = Instant::now() + self.timeout;
        self.sit_out_throttling(deadline).await?;
        let mut attempts = 0;
        let mut reason = None;
        loop {
            let Ok(result) = timeout_at(deadline.into(), attempt()).await else {
                let what = format!("no answer within the timeout of {:?}", self.timeout);
                // An attempt that the deadline cuts short does not change why the others failed.
                return Err(Failure::new(
                    reason.unwrap_or(DropReason::Timeout),
                    self.delivery.because_of_trouble(&what),
                ));
            };
            let trouble = match result {
                Ok(value) => {
                    self.delivery.no_trouble();
                    return Ok(value);
                }
                Err(trouble) => trouble,
            };
            reason = Some(trouble.failure.reason);
            self.delivery.trouble(&trouble.failure.detail);
            let remaining = deadline.saturating_duration_since(Instant::now());
            let wait = match trouble.again {
                Again::No => return Err(trouble.failure),
                Again::Backoff => {
                    let wait = self.backoff.wait(attempts);
                    // The end of the budget is a chance too: a receiver may just be starting.
                    if wait + LAST_ATTEMPT > remaining && remaining > LAST_ATTEMPT * 2 {
                        remaining - LAST_ATTEMPT
                    } else {
                        wait
                    }
                }
                Again::After(wait) => {
                    let wait = wait.min(LONGEST_THROTTLE);
                    *lock(&self.throttled_until) = Some(Instant::now() + wait);
                    wait
                }
                #[cfg(feature = "performance")]
                Again::Elsewhere => Duration::ZERO,
            };
            #[cfg(feature = "performance")]
            let wait = self.in_turn(wait, remaining);
            if wait >= remaining {
                if !matches!(trouble.again, Again::After(_)) {
                    // Given up at its deadline and not before: a receiver that is away must not
                    // drain the queue as fast as it can be found missing.
                    sleep_until(deadline.into()).await;
                }
                return Err(trouble.failure);
            }
            sleep_until((Instant::now() + wait).into()).await;
            attempts += 1;
            if trouble.may_have_arrived {
                self.delivery.ambiguous_retry(spans);
            }
        }
    }

    /// What a receiver asked of one export holds for the next as well. An export that cannot begin
    /// in time is given up at its deadline and not before, so that the queue keeps its spans.
    async fn sit_out_throttling(&self, deadline: Instant) -> Result<(), Failure> {
        let until = *lock(&self.throttled_until);
        let Some(until) = until.filter(|until| *until > Instant::now()) else {
            return Ok(());
        };
        sleep_until(until.min(deadline).into()).await;
        if until < deadline {
            return Ok(());
        }
        Err(Failure::new(
            DropReason::Unreachable,
            "the receiver asked for a pause longer than the timeout",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_maximum_within_its_jitter() {
        let backoff = Backoff::default();
        for (attempt, full) in [(0, 1.0), (1, 1.5), (2, 2.25), (10, 5.0), (u32::MAX, 5.0)] {
            let wait = backoff.wait(attempt).as_secs_f64();
            assert!(
                wait <= full && wait >= full * 0.75,
                "attempt {attempt}: {wait}"
            );
        }
    }

    #[test]
    fn last_attempt_without_an_answer_does_not_change_the_reason() {
        let backoff = Backoff {
            initial: Duration::from_millis(1),
            max: Duration::from_millis(1),
        };
        let timeout = Duration::from_millis(50);
        let courier = Courier::new(timeout, backoff, Arc::default());
        let mut attempts = 0;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let given_up = runtime.block_on(courier.deliver::<(), _>(1, || {
            attempts += 1;
            let first = attempts == 1;
            async move {
                if !first {
                    std::future::pending::<()>().await;
                }
                Err(Trouble::unreachable("busy", true))
            }
        }));
        let failure = given_up.unwrap_err();
        assert_eq!(failure.reason, DropReason::Unreachable);
        assert!(failure.detail.ends_with("busy"), "{}", failure.detail);
        assert_eq!(attempts, 2);
    }
}
