//! Spans as text on stdout, for the first look and for debugging.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// Writes each span as one line with its essentials, then an indented line for each event and link.
///
/// Two spans look like this:
///
/// ```text
/// span checkout shop::checkout 1.204ms internal trace=4bf92f3577b34da6a3ce929d0e0e4736 span=00f067aa0ba902b7 parent=none start=1700000000.000000000 ok {user.id="7"}
///   event +0.201ms exception {exception.message="no stock"}
/// ```
#[derive(Debug, Default)]
pub(crate) struct StdoutExporter {
    service: String,
}

impl SpanExporter for StdoutExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut text = String::new();
        for span in &batch {
            // Writing to a String cannot fail.
            let _ = write_span(&mut text, &self.service, span);
        }
        // A closed stdout is nobody's fault here: the reader went away.
        let mut stdout = std::io::stdout().lock();
        let _ = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.service = resource
            .get(&opentelemetry::Key::from_static_str("service.name"))
            .map(|name| name.to_string())
            .unwrap_or_default();
    }
}

fn write_span(out: &mut String, service: &str, span: &SpanData) -> fmt::Result {
    let duration = span
        .end_time
        .duration_since(span.start_time)
        .unwrap_or_default();
    let start = span
        .start_time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    write!(
        out,
        "span {} {service} {} {} trace={} span={} parent=",
        span.name,
        Millis(duration),
        kind(span),
        span.span_context.trace_id(),
        span.span_context.span_id(),
    )?;
    if span.parent_span_id == SpanId::INVALID {
        out.push_str("none");
    } else {
        write!(out, "{}", span.parent_span_id)?;
    }
    write!(
        out,
        " start={}.{:09} ",
        start.as_secs(),
        start.subsec_nanos()
    )?;
    match &span.status {
        Status::Unset => out.push_str("unset"),
        Status::Ok => out.push_str("ok"),
        Status::Error { description } => write!(out, "error={description:?}")?,
    }
    write_attributes(out, &span.attributes)?;
    out.push('\n');
    for event in &span.events.events {
        let after = event
            .timestamp
            .duration_since(span.start_time)
            .unwrap_or_default();
        write!(out, "  event +{} {}", Millis(after), event.name)?;
        write_attributes(out, &event.attributes)?;
        out.push('\n');
    }
    for link in &span.links.links {
        write!(
            out,
            "  link trace={} span={}",
            link.span_context.trace_id(),
            link.span_context.span_id()
        )?;
        write_attributes(out, &link.attributes)?;
        out.push('\n');
    }
    Ok(())
}

fn kind(span: &SpanData) -> &'static str {
    use opentelemetry::trace::SpanKind;
    match span.span_kind {
        SpanKind::Client => "client",
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
    }
}

fn write_attributes(out: &mut String, attributes: &[KeyValue]) -> fmt::Result {
    if attributes.is_empty() {
        return Ok(());
    }
    out.push_str(" {");
    for (index, attribute) in attributes.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        match &attribute.value {
            // Quoted and escaped, so that a value cannot forge a line.
            opentelemetry::Value::String(text) => {
                write!(out, "{}={:?}", attribute.key, text.as_str())?;
            }
            other => write!(out, "{}={other}", attribute.key)?,
        }
    }
    out.push('}');
    Ok(())
}

struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}ms", self.0.as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::span;
    use super::*;

    #[test]
    fn span_with_newline_in_attribute_stays_on_one_line() {
        let mut span = span("checkout");
        span.attributes = vec![
            KeyValue::new("note", "a\nspan forged"),
            KeyValue::new("n", 3),
        ];
        span.status = Status::error("no stock");
        let mut text = String::new();
        write_span(&mut text, "shop", &span).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("span checkout shop 1500.000ms internal trace=0000000000000000000000000000002a span=0000000000000007 parent=none start="), "{text}");
        assert!(
            text.ends_with("error=\"no stock\" {note=\"a\\nspan forged\", n=3}\n"),
            "{text}"
        );
    }
}
