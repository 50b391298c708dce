//! `OTEL_BSP_*` and the limits.

use std::time::Duration;

use super::*;

#[test]
fn queue_size_given_any_text_holds_what_the_report_says() {
    const NAME: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
    check(
        |settings| settings.batch.max_queue_size.to_string(),
        &[
            (&[], "2048", &[]),
            (&[(NAME, "")], "2048", &[]),
            (&[(NAME, "  ")], "2048", &[]),
            (&[(NAME, " 4096 ")], "4096", &[]),
            (&[(NAME, "1048576")], "1048576", &[]),
            (&[(NAME, "0")], "2048", &[NAME]),
            (&[(NAME, "1048577")], "1048576", &[NAME]),
            (&[(NAME, "10000000")], "1048576", &[NAME]),
            (&[(NAME, "1000000000")], "1048576", &[NAME]),
            (&[(NAME, "18446744073709551615")], "1048576", &[NAME]),
            (&[(NAME, "18446744073709551616")], "2048", &[NAME]),
            (&[(NAME, "-1")], "2048", &[NAME]),
            (&[(NAME, "1.5")], "2048", &[NAME]),
            (&[(NAME, "1e9")], "2048", &[NAME]),
            (&[(NAME, "many")], "2048", &[NAME]),
            (&[(NAME, "2 048")], "2048", &[NAME]),
        ],
    );
}

#[test]
fn batch_size_given_any_text_fits_into_the_queue() {
    const NAME: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
    const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
    check(
        |settings| settings.batch.max_export_batch_size.to_string(),
        &[
            (&[], "512", &[]),
            (&[(NAME, "1")], "1", &[]),
            (&[(NAME, "2048")], "2048", &[]),
            (&[(NAME, "2049")], "2048", &[NAME]),
            (&[(NAME, "0")], "512", &[NAME]),
            (&[(NAME, "x")], "512", &[NAME]),
            (&[(QUEUE, "100")], "100", &[]),
            (&[(QUEUE, "100"), (NAME, "101")], "100", &[NAME]),
            (&[(QUEUE, "100"), (NAME, "7")], "7", &[]),
        ],
    );
}

#[test]
fn times_given_any_text_hold_what_the_report_says() {
    const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
    check(
        |settings| settings.batch.scheduled_delay.as_millis().to_string(),
        &[
            (&[], "5000", &[]),
            (&[(DELAY, "1")], "1", &[]),
            (&[(DELAY, "0")], "1", &[DELAY]),
            (&[(DELAY, "-5")], "5000", &[DELAY]),
            (&[(DELAY, "99999999999")], "86400000", &[DELAY]),
            (&[(DELAY, "5s")], "5000", &[DELAY]),
        ],
    );
    const TIMEOUT: &str = "OTEL_BSP_EXPORT_TIMEOUT";
    check(
        |settings| settings.batch.export_timeout.as_millis().to_string(),
        &[
            (&[], "30000", &[]),
            (&[(TIMEOUT, "250")], "250", &[]),
            (&[(TIMEOUT, "0")], "86400000", &[TIMEOUT]),
            (&[(TIMEOUT, "0.5")], "30000", &[TIMEOUT]),
        ],
    );
}

#[test]
fn batch_in_code_wins_and_is_refused_out_of_bounds() {
    let code = Overrides {
        max_queue_size: Some(10),
        scheduled_delay: Some(Duration::from_micros(1500)),
        export_timeout: Some(Duration::from_secs(2)),
        ..nothing()
    };
    let (settings, diagnostics) = resolved(
        code,
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "nonsense"),
            ("OTEL_BSP_SCHEDULE_DELAY", "7"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "7"),
        ],
    );
    assert_eq!(settings.batch.max_queue_size, 10);
    assert_eq!(settings.batch.max_export_batch_size, 10);
    assert_eq!(settings.batch.scheduled_delay, Duration::from_micros(1500));
    assert_eq!(settings.batch.export_timeout, Duration::from_secs(2));
    assert_eq!(diagnostics, []);

    for size in [0, (1 << 20) + 1, usize::MAX] {
        let code = Overrides {
            max_queue_size: Some(size),
            ..nothing()
        };
        check_refused("max_queue_size", code, "1 to 1048576");
    }
    for time in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
        let code = Overrides {
            scheduled_delay: Some(time),
            ..nothing()
        };
        check_refused("scheduled_delay", code, "1 millisecond");
        let code = Overrides {
            export_timeout: Some(time),
            ..nothing()
        };
        check_refused("export_timeout", code, "1 millisecond");
        let code = Overrides {
            timeout: Some(time),
            ..nothing()
        };
        check_refused("timeout", code, "1 millisecond");
    }
}

#[test]
fn batch_in_code_larger_than_the_queue_raises_the_environments_queue_only() {
    let large = || Overrides {
        max_export_batch_size: Some(4096),
        ..nothing()
    };
    check_refused("max_export_batch_size", large(), "which is 2048");
    let (settings, diagnostics) = resolved(large(), &[("OTEL_BSP_MAX_QUEUE_SIZE", "100")]);
    assert_eq!(settings.batch.max_queue_size, 4096);
    assert_eq!(settings.batch.max_export_batch_size, 4096);
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].name, "OTEL_BSP_MAX_QUEUE_SIZE");
}

/// The fields of the limits in one text: span, event and link counts, attributes of both, length.
fn limits(settings: &Settings) -> String {
    let limits = settings.limits;
    format!(
        "{} {} {} {} {} {:?}",
        limits.attributes_per_span,
        limits.events_per_span,
        limits.links_per_span,
        limits.attributes_per_event,
        limits.attributes_per_link,
        limits.attribute_value_length
    )
}

#[test]
fn limits_given_valid_variables_prefer_the_more_specific() {
    let rows: &[(Vars, &str)] = &[
        (&[], "128 128 128 128 128 None"),
        (&[("OTEL_ATTRIBUTE_COUNT_LIMIT", "5")], "5 128 128 5 5 None"),
        (
            &[
                ("OTEL_ATTRIBUTE_COUNT_LIMIT", "5"),
                ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "6"),
                ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "7"),
                ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "8"),
                ("OTEL_SPAN_EVENT_COUNT_LIMIT", "9"),
                ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
            ],
            "6 9 0 7 8 None",
        ),
        (
            &[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20")],
            "128 128 128 128 128 Some(20)",
        ),
        (
            &[
                ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20"),
                ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0"),
            ],
            "128 128 128 128 128 Some(0)",
        ),
    ];
    for (vars, expected) in rows {
        let (settings, diagnostics) = resolved(nothing(), vars);
        assert_eq!(limits(&settings), *expected, "{vars:?}");
        assert_eq!(diagnostics, [], "{vars:?}");
    }
}

#[test]
fn limits_given_invalid_variables_report_each_and_hold_the_next() {
    const GENERAL: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";
    const SPAN: &str = "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT";
    check(
        |settings| settings.limits.attributes_per_span.to_string(),
        &[
            (&[(SPAN, "-1")], "128", &[SPAN]),
            (&[(SPAN, "x"), (GENERAL, "9")], "9", &[SPAN]),
            (&[(SPAN, "x"), (GENERAL, "y")], "128", &[SPAN, GENERAL]),
            // Consulted for spans, events and links, and reported once.
            (&[(GENERAL, "1.5")], "128", &[GENERAL]),
            (&[(GENERAL, "4294967296")], "4294967295", &[GENERAL]),
        ],
    );
    const LENGTH: &str = "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT";
    const ANY_LENGTH: &str = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT";
    check(
        |settings| match settings.limits.attribute_value_length {
            Some(limit) => limit.to_string(),
            None => "no limit".to_owned(),
        },
        &[
            (&[(LENGTH, "-1")], "no limit", &[LENGTH]),
            (&[(LENGTH, "long"), (ANY_LENGTH, "9")], "9", &[LENGTH]),
        ],
    );
    for (name, field) in [
        (
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            (|s| s.limits.events_per_span.to_string()) as fn(&Settings) -> String,
        ),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", |s| {
            s.limits.links_per_span.to_string()
        }),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", |s| {
            s.limits.attributes_per_event.to_string()
        }),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", |s| {
            s.limits.attributes_per_link.to_string()
        }),
    ] {
        let env = Env::of([(name, "none")]);
        let (settings, diagnostics) = resolve(nothing(), &env).expect("code is right");
        assert_eq!(field(&settings), "128");
        assert_eq!(diagnostics.as_slice().len(), 1, "{diagnostics:?}");
        assert_eq!(diagnostics.as_slice()[0].name, name);
    }
}

#[test]
fn limits_in_code_win_over_every_variable() {
    let code = Overrides {
        attributes_per_span: Some(1),
        events_per_span: Some(2),
        links_per_span: Some(3),
        attributes_per_event: Some(4),
        attributes_per_link: Some(5),
        attribute_value_length: Some(6),
        ..nothing()
    };
    let (settings, diagnostics) = resolved(
        code,
        &[
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "bad"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "10"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"),
        ],
    );
    assert_eq!(limits(&settings), "1 2 3 4 5 Some(6)");
    assert_eq!(diagnostics, []);
    let official = opentelemetry_sdk::trace::SpanLimits::from(settings.limits);
    assert_eq!(official.max_attributes_per_span, 1);
    assert_eq!(official.max_events_per_span, 2);
    assert_eq!(official.max_links_per_span, 3);
    assert_eq!(official.max_attributes_per_event, 4);
    assert_eq!(official.max_attributes_per_link, 5);
}
