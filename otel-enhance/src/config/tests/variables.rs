//! The table in the documentation against what the code reads.

use super::*;

/// All `OTEL_…` names in a text.
#[cfg(all(feature = "otlp-http", feature = "otlp-grpc"))]
fn names(text: &str) -> std::collections::BTreeSet<String> {
    text.split(|character: char| !(character.is_ascii_uppercase() || character == '_'))
        .filter(|word| word.starts_with("OTEL_"))
        .map(str::to_owned)
        .collect()
}

#[cfg(all(feature = "otlp-http", feature = "otlp-grpc"))]
#[test]
fn documented_variables_are_exactly_those_that_are_read() {
    use std::sync::{Arc, Mutex};

    let read = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
    for protocol in ["http/protobuf", "grpc"] {
        let log = Arc::clone(&read);
        let env = Env::asking(move |name| {
            log.lock().expect("no panic").insert(name.to_owned());
            (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| protocol.into())
        });
        resolve(nothing(), &env).expect("code is right");
    }
    let mut documented = names(include_str!("../variables.md"));
    assert!(documented.remove("OTEL_LOG_LEVEL"), "ignored, and said so");
    if cfg!(not(feature = "simd")) {
        assert!(documented.remove("OTEL_ENHANCE_SIMD"), "the kernels' own");
    }
    assert_eq!(documented, *read.lock().expect("no panic"));
}

#[test]
fn documented_defaults_are_those_that_hold() {
    let (settings, _) = resolved(nothing(), &[]);
    let table = include_str!("../variables.md");
    for (variable, default) in [
        (
            "OTEL_BSP_MAX_QUEUE_SIZE",
            settings.batch.max_queue_size as u128,
        ),
        (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            settings.batch.max_export_batch_size as u128,
        ),
        (
            "OTEL_BSP_SCHEDULE_DELAY",
            settings.batch.scheduled_delay.as_millis(),
        ),
        (
            "OTEL_BSP_EXPORT_TIMEOUT",
            settings.batch.export_timeout.as_millis(),
        ),
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            settings.otlp.timeout.as_millis(),
        ),
        (
            "OTEL_ATTRIBUTE_COUNT_LIMIT",
            u128::from(settings.limits.attributes_per_span),
        ),
    ] {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| `{variable}`")))
            .expect("documented");
        let column = row.split('|').nth(3).map(str::trim);
        assert_eq!(column, Some(format!("`{default}`").as_str()), "{variable}");
    }
}
