//! The bounds of the batch processor: `OTEL_BSP_*`.

use super::env::Reader;
use super::number::{Bound, to_usize};
use super::performance::{BATCH_SPANS, QUEUE_SPANS};
use super::settings::{BatchSettings, Overrides};
use crate::InitError;

const QUEUE: Bound = Bound::count("spans", 1, 1 << 20, 2048);
const BATCH: Bound = Bound::count("spans", 1, 1 << 20, 512);
const DELAY: Bound = Bound::pause_ms(5000);
const TIMEOUT: Bound = Bound::timeout_ms(30_000);

const QUEUE_VARIABLE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const BATCH_VARIABLE: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";

/// The bounds of the queue and of a batch, with the defaults of whoever holds the spans.
fn sizes(code: &Overrides) -> (Bound, Bound) {
    if code.performance.is_none() {
        return (QUEUE, BATCH);
    }
    (
        QUEUE.with_default(QUEUE_SPANS),
        BATCH.with_default(BATCH_SPANS),
    )
}

/// The bounds for a processor outside of any pipeline.
#[cfg(feature = "performance")]
pub(crate) fn resolve_alone(
    code: &Overrides,
    env: &super::Env,
) -> Result<(BatchSettings, super::Diagnostics), InitError> {
    let mut reader = Reader::new(env);
    let settings = resolve(code, &mut reader)?;
    Ok((settings, reader.diagnostics))
}

/// Code over environment over default, and a batch that fits into the queue.
pub(crate) fn resolve(
    code: &Overrides,
    reader: &mut Reader<'_>,
) -> Result<BatchSettings, InitError> {
    let code_queue = code.max_queue_size.map(|size| size as u64);
    let code_batch = code.max_export_batch_size.map(|size| size as u64);
    let (queue_bound, batch_bound) = sizes(code);
    let mut queue =
        queue_bound.count_of(reader, ("max_queue_size", code_queue), &[QUEUE_VARIABLE])?;
    let mut batch = batch_bound.count_of(
        reader,
        ("max_export_batch_size", code_batch),
        &[BATCH_VARIABLE],
    )?;
    if batch > queue {
        let queue_from_env = code_queue.is_none() && reader.text(QUEUE_VARIABLE).is_some();
        match (code_batch, queue_from_env) {
            // Code outranks the environment: its batch must fit.
            (Some(_), true) => {
                reader.report(
                    QUEUE_VARIABLE,
                    queue.to_string(),
                    format!(
                        "expected at least the batch of {batch} spans that code asks for; `{batch}` holds"
                    ),
                );
                queue = batch;
            }
            (Some(_), false) => {
                return Err(InitError::InvalidArgument {
                    argument: "max_export_batch_size",
                    value: batch.to_string(),
                    expected: format!("at most `max_queue_size`, which is {queue}"),
                });
            }
            (None, _) => {
                // A default gives way to a smaller queue without a word.
                if let Some(text) = reader.text(BATCH_VARIABLE) {
                    reader.report(
                        BATCH_VARIABLE,
                        super::env::shown(&text),
                        format!("expected at most the queue's {queue} spans; `{queue}` holds"),
                    );
                }
                batch = queue;
            }
        }
    }
    Ok(BatchSettings {
        max_queue_size: to_usize(queue),
        max_export_batch_size: to_usize(batch),
        scheduled_delay: DELAY.time_of(
            reader,
            ("scheduled_delay", code.scheduled_delay),
            &["OTEL_BSP_SCHEDULE_DELAY"],
        )?,
        export_timeout: TIMEOUT.time_of(
            reader,
            ("export_timeout", code.export_timeout),
            &["OTEL_BSP_EXPORT_TIMEOUT"],
        )?,
    })
}
