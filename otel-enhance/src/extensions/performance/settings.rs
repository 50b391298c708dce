//! The bounds of the queue, from what code asked for and the defaults.

use super::queue::Bounds;
use crate::InitError;
use crate::config::{BatchSettings, Tuning};

/// Bytes held, those in flight included.
const QUEUE_BYTES: usize = 64 << 20;
/// Bytes in one export: receivers take 4 MiB over gRPC, as a rule.
const BATCH_BYTES: usize = 7 << 19;
/// Exports at once.
const IN_FLIGHT: usize = 8;

/// The queue's bounds. `in_flight` exports run at once if code does not say.
///
/// # Errors
///
/// [`InitError::InvalidArgument`] for a value that is out of its bounds, or contradicts another.
pub(crate) fn bounds(
    tuning: &Tuning,
    batch: &BatchSettings,
    in_flight: Option<usize>,
) -> Result<Bounds, InitError> {
    let bytes = within(
        "max_queue_bytes",
        tuning.max_queue_bytes.unwrap_or(QUEUE_BYTES),
        (64 << 10, 64 << 30),
        "bytes",
    )?;
    let batch_bytes = within(
        "max_export_batch_bytes",
        tuning.max_export_batch_bytes.unwrap_or(BATCH_BYTES),
        (4 << 10, 1 << 30),
        "bytes",
    )?;
    let in_flight = match (tuning.ordered, tuning.max_exports_in_flight) {
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
    use std::time::Duration;

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
        let bounds = super::bounds(&Tuning::default(), &batch(), None).unwrap();
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
        assert_eq!(bounds(&tuning, &batch(), None).unwrap().in_flight, 1);
        tuning.max_exports_in_flight = Some(2);
        let error = bounds(&tuning, &batch(), None).unwrap_err();
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
            let error = bounds(&tuning, &batch(), None).unwrap_err().to_string();
            assert!(error.contains(argument), "{error}");
        }
    }
}
