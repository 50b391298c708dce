//! What can be set about the export half, with its defaults.

use std::time::Duration;

use super::queue::Bounds;
use crate::InitError;
use crate::config::BatchSettings;

/// What happens to a span that ends while the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropPolicy {
    /// It is dropped; the spans that wait already stay.
    #[default]
    Newest,
    /// The spans that have waited longest make room for it.
    Oldest,
    /// The thread that ends the span waits for room, and the span is dropped after `deadline`. In
    /// asynchronous code that blocks a thread of the runtime. Threads that export never wait.
    Block {
        /// The longest wait for one span.
        deadline: Duration,
    },
}

impl DropPolicy {
    /// [`DropPolicy::Block`] with the deadline that holds where none is given: 100 ms.
    pub const BLOCK: Self = Self::Block {
        deadline: Duration::from_millis(100),
    };
}

/// Spans held, unless code or `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise.
pub(crate) const QUEUE_SPANS: u64 = 65_536;
/// Spans in one export, unless code or `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` says otherwise.
pub(crate) const BATCH_SPANS: u64 = 8192;
/// Bytes held, those in flight included.
const QUEUE_BYTES: usize = 64 << 20;
/// Bytes in one export: receivers take 4 MiB over gRPC, as a rule.
const BATCH_BYTES: usize = 7 << 19;
/// Exports at once.
const IN_FLIGHT: usize = 8;

/// What code asked for beyond the specification's settings of a batch processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tuning {
    pub(crate) max_queue_bytes: Option<usize>,
    pub(crate) max_export_batch_bytes: Option<usize>,
    pub(crate) max_exports_in_flight: Option<usize>,
    pub(crate) drop_policy: DropPolicy,
    pub(crate) ordered: bool,
}

impl Tuning {
    /// The queue's bounds. `in_flight` exports run at once if code does not say.
    ///
    /// # Errors
    ///
    /// [`InitError::InvalidArgument`] for a value that is out of its bounds, or contradicts another.
    pub(crate) fn bounds(
        &self,
        batch: &BatchSettings,
        in_flight: Option<usize>,
    ) -> Result<Bounds, InitError> {
        let bytes = within(
            "max_queue_bytes",
            self.max_queue_bytes.unwrap_or(QUEUE_BYTES),
            (64 << 10, 64 << 30),
            "bytes",
        )?;
        let batch_bytes = within(
            "max_export_batch_bytes",
            self.max_export_batch_bytes.unwrap_or(BATCH_BYTES),
            (4 << 10, 1 << 30),
            "bytes",
        )?;
        let in_flight = match (self.ordered, self.max_exports_in_flight) {
            (true, None | Some(1)) => 1,
            (true, Some(asked)) => {
                return Err(InitError::InvalidArgument {
                    argument: "max_exports_in_flight",
                    value: asked.to_string(),
                    expected: "1 with `ordered`: of two exports at once, either may arrive first"
                        .to_owned(),
                });
            }
            (false, Some(asked)) => within("max_exports_in_flight", asked, (1, 64), "exports")?,
            (false, None) => in_flight.unwrap_or(IN_FLIGHT),
        };
        Ok(Bounds {
            items: batch.max_queue_size,
            bytes,
            batch_items: batch.max_export_batch_size,
            batch_bytes,
            in_flight,
            delay: batch.scheduled_delay,
        })
    }
}

fn within(
    argument: &'static str,
    value: usize,
    (min, max): (usize, usize),
    unit: &str,
) -> Result<usize, InitError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(InitError::InvalidArgument {
        argument,
        value: value.to_string(),
        expected: format!("a number of {unit}, {min} to {max}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> BatchSettings {
        BatchSettings {
            max_queue_size: 65_536,
            max_export_batch_size: 8192,
            scheduled_delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
        }
    }

    #[test]
    fn nothing_asked_for_gives_the_defaults() {
        let bounds = Tuning::default().bounds(&batch(), None).unwrap();
        assert_eq!(bounds.bytes, 64 * 1024 * 1024);
        assert_eq!(bounds.batch_bytes, 3_670_016);
        assert_eq!(bounds.in_flight, 8);
    }

    #[test]
    fn ordered_with_several_in_flight_is_an_error_and_alone_means_one() {
        let mut tuning = Tuning {
            ordered: true,
            ..Tuning::default()
        };
        assert_eq!(tuning.bounds(&batch(), None).unwrap().in_flight, 1);
        tuning.max_exports_in_flight = Some(2);
        let error = tuning.bounds(&batch(), None).unwrap_err();
        assert!(error.to_string().contains("`max_exports_in_flight` is `2`"));
    }

    #[test]
    fn values_out_of_their_bounds_are_errors_that_name_them() {
        for (tuning, argument) in [
            (
                Tuning {
                    max_queue_bytes: Some(1),
                    ..Tuning::default()
                },
                "max_queue_bytes",
            ),
            (
                Tuning {
                    max_export_batch_bytes: Some(0),
                    ..Tuning::default()
                },
                "max_export_batch_bytes",
            ),
            (
                Tuning {
                    max_exports_in_flight: Some(0),
                    ..Tuning::default()
                },
                "max_exports_in_flight",
            ),
        ] {
            let error = tuning.bounds(&batch(), None).unwrap_err().to_string();
            assert!(error.contains(argument), "{error}");
        }
    }
}
