//! A value in code that is not usable is an error which names the argument, what it held and what
//! would be right. In a process of its own: installs are one at a time.
#![cfg(feature = "otlp-http")]

use std::time::Duration;

use otel_enhance::InitError;

/// The error of a pipeline that must not install.
fn refused(result: Result<otel_enhance::TelemetryGuard, InitError>) -> InitError {
    match result {
        Ok(_) => unreachable!("a bad value was accepted"),
        Err(error) => error,
    }
}

#[test]
fn bad_value_in_code_is_an_error_that_names_argument_content_and_what_would_be_right() {
    let percent = 10.0;
    let nowhere = "no url";
    let cases: [(&str, &str, &str, InitError); 9] = [
        (
            "sampler",
            "10",
            "0.0 to 1.0",
            refused(otel_enhance::init!(sampler = ratio(percent))),
        ),
        (
            "sampl",
            "10",
            "0.0 to 1.0",
            refused(otel_enhance::init!(sampler = parent_based(ratio(percent)))),
        ),
        (
            "endpoint",
            "no url",
            "http",
            refused(otel_enhance::init!(endpoint = nowhere)),
        ),
        (
            "endpoint",
            "ftp://shop",
            "http",
            refused(otel_enhance::init!(endpoint = "ftp://shop")),
        ),
        (
            "header",
            "two words",
            "name",
            refused(otel_enhance::init!(headers("two words" = "x"))),
        ),
        (
            "timeout",
            "0",
            "1 millisecond",
            refused(otel_enhance::init!(timeout = Duration::ZERO)),
        ),
        (
            "max_queue_size",
            "0",
            "1",
            refused(otel_enhance::init!(batch(max_queue_size = 0))),
        ),
        (
            "max_export_batch_size",
            "100",
            "10",
            refused(otel_enhance::init!(batch(
                max_queue_size = 10,
                max_export_batch_size = 100
            ))),
        ),
        (
            "scheduled_delay",
            "0",
            "1 millisecond",
            refused(otel_enhance::init!(batch(scheduled_delay = Duration::ZERO))),
        ),
    ];
    for (argument, content, right, error) in cases {
        let InitError::InvalidArgument {
            argument: named,
            value,
            expected,
        } = &error
        else {
            unreachable!("{error}");
        };
        assert!(named.contains(argument), "{error}");
        assert!(value.contains(content), "{error}");
        assert!(expected.contains(right), "{error}");
    }
}
