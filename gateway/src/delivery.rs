//! What became of a batch at a destination, and what the sender is told.

use std::time::Duration;

use http::StatusCode;
use otel_enhance_receiver::{Outcome, Refusal};

/// What a destination did with a batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Delivery {
    /// It has the spans.
    Accepted,
    /// It has all but some of them, which must not be sent again.
    Partial { rejected: u64, message: String },
    /// It has no room for now.
    Busy {
        retry_after: Option<Duration>,
        message: String,
    },
    /// It is away, or refuses the gateway rather than the batch: the batch may be tried again.
    Unavailable {
        retry_after: Option<Duration>,
        message: String,
        /// The batch may have arrived all the same, so that trying again may make duplicates.
        ambiguous: bool,
    },
    /// It will never take the batch.
    Rejected { status: StatusCode, message: String },
}

impl Delivery {
    /// Whether it is known what became of the batch.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                ambiguous: true,
                ..
            }
        )
    }

    /// What it can be of a batch with so many spans: no destination rejects more, whatever it says.
    pub(crate) fn of(mut self, spans: usize) -> Self {
        if let Self::Partial { rejected, .. } = &mut self {
            *rejected = (*rejected).min(spans as u64);
        }
        self
    }

    /// The label of metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Partial { .. } => "partial",
            Self::Busy { .. } => "busy",
            Self::Unavailable { .. } => "unavailable",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// What one sender is told of several destinations: to come again if one of them wants that, even
    /// though the others get the batch twice then; else what is worst.
    pub(crate) fn combine(self, other: Self) -> Self {
        let rank = |delivery: &Self| match delivery {
            Self::Accepted => 0,
            Self::Partial { .. } => 1,
            Self::Rejected { .. } => 2,
            Self::Busy { .. } => 3,
            Self::Unavailable { .. } => 4,
        };
        // Of two that say the same, the one that says more.
        let extent = |delivery: &Self| match delivery {
            Self::Partial { rejected, .. } => Duration::from_secs(*rejected),
            Self::Busy { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                retry_after.unwrap_or_default()
            }
            Self::Accepted | Self::Rejected { .. } => Duration::ZERO,
        };
        let weight = |delivery: &Self| (rank(delivery), extent(delivery));
        if weight(&other) > weight(&self) {
            other
        } else {
            self
        }
    }

    /// In the terms of the sender's transport.
    pub(crate) fn into_outcome(self, default_wait: Duration) -> Outcome {
        match self {
            Self::Accepted => Outcome::Accepted,
            Self::Partial { rejected, message } => Outcome::PartialSuccess {
                rejected_spans: rejected,
                message,
            },
            Self::Busy { retry_after, .. } => Outcome::Busy {
                retry_after: retry_after.unwrap_or(default_wait),
            },
            Self::Unavailable {
                retry_after,
                message,
                ..
            } => Outcome::Unavailable {
                retry_after,
                message,
            },
            Self::Rejected { status, message } => {
                Outcome::Refused(Refusal::from_http_status(status, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_deliveries_the_one_to_be_tried_again_decides() {
        let away = Delivery::Unavailable {
            retry_after: None,
            message: "away".to_owned(),
            ambiguous: false,
        };
        let rejected = Delivery::Rejected {
            status: StatusCode::BAD_REQUEST,
            message: "no".to_owned(),
        };
        let partial = Delivery::Partial {
            rejected: 1,
            message: "one".to_owned(),
        };
        let more = Delivery::Partial {
            rejected: 2,
            message: "two".to_owned(),
        };
        let later = Delivery::Unavailable {
            retry_after: Some(Duration::from_secs(5)),
            message: "away for long".to_owned(),
            ambiguous: false,
        };
        for (a, b, expected) in [
            (&partial, &more, &more),
            (&away, &later, &later),
            (&Delivery::Accepted, &partial, &partial),
            (&partial, &rejected, &rejected),
            (&rejected, &away, &away),
            (
                &Delivery::Accepted,
                &Delivery::Accepted,
                &Delivery::Accepted,
            ),
        ] {
            assert_eq!(&a.clone().combine(b.clone()), expected);
            assert_eq!(&b.clone().combine(a.clone()), expected);
        }
    }
}
