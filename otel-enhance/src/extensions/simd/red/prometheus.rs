//! The metrics as Prometheus reads them.
//!
//! Source: Prometheus, "Exposition formats", text format 0.0.4. Its histograms have the same bounds in every
//! series and at all times. Ours are powers of two, each of which is a bound of an exponential histogram,
//! too, so that no count is guessed.

use std::fmt::Write as _;

use opentelemetry::KeyValue;

use super::table::Series;

/// Bounds of buckets, as powers of two of a second: 61 µs to 64 s.
const BOUNDS: std::ops::RangeInclusive<i32> = -14..=6;

/// A family of metrics, and what its lines are.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    write: fn(&mut Text, &Series),
}

const FAMILIES: [Family; 3] = [
    Family {
        name: "traces_span_metrics_calls_total",
        help: "Spans that have ended.",
        kind: "counter",
        write: |text, series| {
            text.line(
                "traces_span_metrics_calls_total",
                series,
                None,
                &series.durations.count,
            );
        },
    },
    Family {
        name: "traces_span_metrics_errors_total",
        help: "Spans that have ended with the status Error.",
        kind: "counter",
        write: |text, series| {
            // Others have none by definition.
            if series.may_have_errors() {
                text.line(
                    "traces_span_metrics_errors_total",
                    series,
                    None,
                    &series.errors,
                );
            }
        },
    },
    Family {
        name: "traces_span_metrics_duration_seconds",
        help: "How long spans took, in seconds.",
        kind: "histogram",
        write: Text::histogram,
    },
];

/// The text being written.
#[derive(Default)]
struct Text(String);

/// All series in the text format of Prometheus.
pub(super) fn text(series: &mut dyn Iterator<Item = &Series>) -> String {
    let series: Vec<&Series> = series.collect();
    let mut text = Text::default();
    if series.is_empty() {
        return text.0;
    }
    for Family {
        name,
        help,
        kind,
        write,
    } in FAMILIES
    {
        // Writing into a string does not fail.
        let _ = writeln!(text.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for series in &series {
            write(&mut text, series);
        }
    }
    text.0
}

impl Text {
    fn histogram(&mut self, series: &Series) {
        const BUCKET: &str = "traces_span_metrics_duration_seconds_bucket";
        let durations = &series.durations;
        for exponent in BOUNDS {
            let bound = 2_f64.powi(exponent).to_string();
            let count = durations.up_to_power_of_two(exponent);
            self.line(BUCKET, series, Some(&bound), &count);
        }
        self.line(BUCKET, series, Some("+Inf"), &durations.count);
        self.line(
            "traces_span_metrics_duration_seconds_sum",
            series,
            None,
            &durations.sum,
        );
        self.line(
            "traces_span_metrics_duration_seconds_count",
            series,
            None,
            &durations.count,
        );
    }

    fn line(
        &mut self,
        name: &str,
        series: &Series,
        bound: Option<&str>,
        value: &dyn std::fmt::Display,
    ) {
        self.0.push_str(name);
        let mut before = '{';
        for KeyValue { key, value, .. } in &series.attributes {
            self.label(before, key.as_str(), &value.as_str());
            before = ',';
        }
        if let Some(bound) = bound {
            self.label(before, "le", bound);
        }
        let _ = writeln!(self.0, "}} {value}");
    }

    fn label(&mut self, before: char, key: &str, value: &str) {
        self.0.push(before);
        self.0
            .extend(key.chars().map(|c| if c == '.' { '_' } else { c }));
        self.0.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }
}
