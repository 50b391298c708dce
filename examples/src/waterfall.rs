//! Traces as text: one tree a trace, one line a span, its bar at its place in time.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::style::Style;

/// Columns of the longest bar.
const BAR_COLUMNS: u64 = 32;
/// Columns of the longest name with its branches; longer ones push their bar to the right.
const MAX_NAME_COLUMNS: usize = 56;

/// A span and the service that made it.
struct Row<'a> {
    service: &'a str,
    span: &'a Span,
}

/// Draws every trace of `requests`, oldest first.
///
/// Spans whose parent is not among them stand at the root, so nothing is left out.
///
/// ```
/// use otel_enhance_examples::{style::Style, waterfall};
///
/// assert_eq!(waterfall::draw(&[], Style::PLAIN), "no spans\n");
/// ```
#[must_use]
pub fn draw(requests: &[ExportTraceServiceRequest], style: Style) -> String {
    let mut traces: BTreeMap<&[u8], Vec<Row<'_>>> = BTreeMap::new();
    for resource_spans in requests.iter().flat_map(|request| &request.resource_spans) {
        let attributes = resource_spans
            .resource
            .as_ref()
            .map_or(&[][..], |resource| &resource.attributes);
        let service = service_name(attributes);
        for span in resource_spans
            .scope_spans
            .iter()
            .flat_map(|scope| &scope.spans)
        {
            traces
                .entry(&span.trace_id)
                .or_default()
                .push(Row { service, span });
        }
    }
    let mut traces: Vec<_> = traces.into_values().map(Trace::new).collect();
    traces.sort_by_key(|trace| trace.start);

    if traces.is_empty() {
        return "no spans\n".to_owned();
    }
    let drawn: Vec<String> = traces.iter().map(|trace| trace.draw(style)).collect();
    drawn.join("\n")
}

struct Trace<'a> {
    rows: Vec<Row<'a>>,
    /// Indexes into `rows`: the children of each, in order of their start.
    children: HashMap<usize, Vec<usize>>,
    roots: Vec<usize>,
    /// Columns of names and branches.
    name_columns: usize,
    /// Unix nanoseconds.
    start: u64,
    end: u64,
}

impl<'a> Trace<'a> {
    fn new(mut rows: Vec<Row<'a>>) -> Self {
        rows.sort_by_key(|row| row.span.start_time_unix_nano);
        let known: HashMap<&[u8], usize> = rows
            .iter()
            .enumerate()
            .map(|(index, row)| (&row.span.span_id[..], index))
            .collect();
        let parent = |index: usize| known.get(&rows[index].span.parent_span_id[..]).copied();
        let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut roots = Vec::new();
        let mut name_columns = 0;
        for (index, row) in rows.iter().enumerate() {
            // As many steps as there are spans lead out of every tree, and out of no circle.
            let ancestors =
                std::iter::successors(parent(index), |&above| parent(above)).take(rows.len());
            let depth = ancestors.count();
            match parent(index) {
                Some(parent) if depth < rows.len() => {
                    children.entry(parent).or_default().push(index);
                    name_columns = name_columns.max(3 * depth + row.span.name.chars().count());
                }
                _ => {
                    roots.push(index);
                    name_columns = name_columns.max(row.span.name.chars().count());
                }
            }
        }
        let start = rows
            .iter()
            .map(|row| row.span.start_time_unix_nano)
            .min()
            .unwrap_or_default();
        let end = rows
            .iter()
            .map(|row| row.span.end_time_unix_nano)
            .max()
            .unwrap_or_default();
        Self {
            rows,
            children,
            roots,
            name_columns: name_columns.min(MAX_NAME_COLUMNS),
            start,
            end,
        }
    }

    fn draw(&self, style: Style) -> String {
        let mut out = String::new();
        let id = self
            .rows
            .first()
            .map(|row| hex(&row.span.trace_id))
            .unwrap_or_default();
        let errors = self.rows.iter().filter(|row| is_error(row.span)).count();
        let mut heading = format!(
            "trace {id}  {}  {} span{}",
            duration(self.end.saturating_sub(self.start)),
            self.rows.len(),
            if self.rows.len() == 1 { "" } else { "s" },
        );
        if errors > 0 {
            let _ = write!(heading, ", {errors} with an error");
        }
        let _ = writeln!(out, "{}", style.bold(&heading));
        for (position, &root) in self.roots.iter().enumerate() {
            self.draw_span(
                &mut out,
                style,
                root,
                "",
                position + 1 == self.roots.len(),
                true,
            );
        }
        out
    }

    fn draw_span(
        &self,
        out: &mut String,
        style: Style,
        index: usize,
        indent: &str,
        last: bool,
        root: bool,
    ) {
        let Row { service, span } = &self.rows[index];
        let (branch, below) = match (root, last) {
            (true, _) => ("", ""),
            (false, true) => ("└─ ", "   "),
            (false, false) => ("├─ ", "│  "),
        };
        let prefix = format!("{indent}{branch}");
        let room = self.name_columns.saturating_sub(prefix.chars().count());
        let name = format!("{:<room$}", span.name);
        let name = if is_error(span) {
            style.red(&name)
        } else {
            name
        };
        let label = match SpanKind::try_from(span.kind) {
            Ok(SpanKind::Server) => format!("{service} (server)"),
            Ok(SpanKind::Client) => format!("{service} (client)"),
            Ok(SpanKind::Producer) => format!("{service} (producer)"),
            Ok(SpanKind::Consumer) => format!("{service} (consumer)"),
            _ => (*service).to_owned(),
        };
        let took = span
            .end_time_unix_nano
            .saturating_sub(span.start_time_unix_nano);
        let _ = writeln!(
            out,
            "{}{name} {} {:>9}  {}",
            style.dim(&prefix),
            style.service(service, &self.bar(span)),
            duration(took),
            style.service(service, &label),
        );

        let children = self
            .children
            .get(&index)
            .map_or(&[][..], |children| children);
        let inner = format!("{indent}{below}");
        let gutter = format!(
            "{inner}{}",
            if children.is_empty() {
                "      "
            } else {
                "│     "
            }
        );
        for detail in details(span) {
            let (text, failed) = detail;
            let text = if failed {
                style.red(&text)
            } else {
                style.dim(&text)
            };
            let _ = writeln!(out, "{}{text}", style.dim(&gutter));
        }
        for (position, &child) in children.iter().enumerate() {
            self.draw_span(
                out,
                style,
                child,
                &inner,
                position + 1 == children.len(),
                false,
            );
        }
    }

    /// The span's place in its trace, at least one column wide.
    fn bar(&self, span: &Span) -> String {
        let whole = u128::from(self.end.saturating_sub(self.start).max(1));
        let column = |time: u64| {
            let offset = u128::from(time.saturating_sub(self.start));
            u64::try_from(offset * u128::from(BAR_COLUMNS) / whole)
                .unwrap_or(BAR_COLUMNS)
                .min(BAR_COLUMNS)
        };
        let from = column(span.start_time_unix_nano).min(BAR_COLUMNS - 1);
        let to = column(span.end_time_unix_nano).max(from + 1);
        let cells: String = (0..BAR_COLUMNS)
            .map(|cell| {
                if (from..to).contains(&cell) {
                    '█'
                } else {
                    ' '
                }
            })
            .collect();
        format!("▕{cells}▏")
    }
}

/// The lines below a span: its attributes, its status, its events; `true` marks what failed.
fn details(span: &Span) -> Vec<(String, bool)> {
    let mut lines = Vec::new();
    // The place in the code is for a backend to show: here it would be three lines of noise a span.
    let own: Vec<&KeyValue> = span
        .attributes
        .iter()
        .filter(|attribute| !attribute.key.starts_with("code."))
        .collect();
    if !own.is_empty() {
        lines.push((attributes(own), false));
    }
    if let Some(status) = &span.status
        && status.code() == StatusCode::Error
    {
        lines.push((format!("error: {}", status.message), true));
    }
    for event in &span.events {
        let after = duration(
            event
                .time_unix_nano
                .saturating_sub(span.start_time_unix_nano),
        );
        let line = format!(
            "event {} after {after} {}",
            event.name,
            attributes(&event.attributes)
        );
        lines.push((line.trim_end().to_owned(), event.name == "exception"));
    }
    for link in &span.links {
        lines.push((format!("linked to {}", hex(&link.span_id)), false));
    }
    lines
}

fn attributes<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> String {
    let pairs: Vec<String> = attributes
        .into_iter()
        .map(|attribute| format!("{}={}", attribute.key, value(attribute.value.as_ref())))
        .collect();
    pairs.join(" ")
}

fn value(any: Option<&AnyValue>) -> String {
    match any.and_then(|any| any.value.as_ref()) {
        None => "null".to_owned(),
        Some(any_value::Value::StringValue(text)) => format!("{text:?}"),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        Some(any_value::Value::BytesValue(bytes)) => hex(bytes),
        Some(any_value::Value::ArrayValue(array)) => {
            let values: Vec<String> = array
                .values
                .iter()
                .map(|element| value(Some(element)))
                .collect();
            format!("[{}]", values.join(", "))
        }
        Some(any_value::Value::KvlistValue(list)) => format!("{{{}}}", attributes(&list.values)),
        Some(other) => format!("{other:?}"),
    }
}

fn service_name(attributes: &[KeyValue]) -> &str {
    attributes
        .iter()
        .find(|attribute| attribute.key == "service.name")
        .and_then(
            |attribute| match attribute.value.as_ref()?.value.as_ref()? {
                any_value::Value::StringValue(name) => Some(name.as_str()),
                _ => None,
            },
        )
        .unwrap_or("unknown_service")
}

fn is_error(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code() == StatusCode::Error)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Nanoseconds for people.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn duration(nanoseconds: u64) -> String {
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{:.1} µs", nanoseconds as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanoseconds as f64 / 1e6),
        _ => format!("{:.2} s", nanoseconds as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};

    fn text(key: &str, text: &str) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue {
                value: Some(any_value::Value::StringValue(text.to_owned())),
            }),
            ..KeyValue::default()
        }
    }

    fn span(id: u8, parent: u8, name: &str, start: u64, end: u64) -> Span {
        Span {
            trace_id: vec![1; 16],
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 {
                Vec::new()
            } else {
                vec![parent; 8]
            },
            name: name.to_owned(),
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            ..Span::default()
        }
    }

    fn request(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource {
                    attributes: vec![text("service.name", service)],
                    ..Resource::default()
                }),
                scope_spans: vec![ScopeSpans {
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }

    #[test]
    fn trace_of_two_services_is_one_tree_in_order_of_start() {
        let drawn = draw(
            &[
                request(
                    "warehouse",
                    vec![span(3, 1, "reserve", 2_000_000, 3_000_000)],
                ),
                request(
                    "storefront",
                    vec![
                        span(1, 0, "checkout", 0, 4_000_000),
                        span(2, 1, "price", 0, 1_000_000),
                    ],
                ),
            ],
            Style::PLAIN,
        );
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(
            lines[0],
            "trace 01010101010101010101010101010101  4.0 ms  3 spans"
        );
        assert!(
            lines[1].starts_with("checkout   ▕") && lines[1].ends_with("4.0 ms  storefront"),
            "{drawn}"
        );
        assert!(
            lines[2].starts_with("├─ price ") && lines[2].contains("▕████████    "),
            "{drawn}"
        );
        assert!(
            lines[3].starts_with("└─ reserve ") && lines[3].ends_with("1.0 ms  warehouse"),
            "{drawn}"
        );
    }

    #[test]
    fn span_whose_parent_is_missing_stands_at_the_root() {
        let drawn = draw(
            &[request("storefront", vec![span(2, 9, "orphan", 0, 1)])],
            Style::PLAIN,
        );
        assert!(
            drawn
                .lines()
                .nth(1)
                .is_some_and(|line| line.starts_with("orphan ")),
            "{drawn}"
        );
    }

    #[test]
    fn span_that_is_its_own_parent_is_drawn_once() {
        let drawn = draw(
            &[request("storefront", vec![span(2, 2, "loop", 0, 1)])],
            Style::PLAIN,
        );
        assert_eq!(drawn.matches("loop").count(), 1, "{drawn}");
    }

    #[test]
    fn spans_in_a_circle_are_drawn_once_each() {
        let drawn = draw(
            &[request(
                "storefront",
                vec![
                    span(2, 3, "hen", 0, 1),
                    span(3, 2, "egg", 0, 1),
                    span(4, 2, "nest", 0, 1),
                ],
            )],
            Style::PLAIN,
        );
        for name in ["hen", "egg", "nest"] {
            assert_eq!(drawn.matches(name).count(), 1, "{drawn}");
        }
    }

    #[test]
    fn error_is_counted_named_and_red_on_a_terminal() {
        let mut failed = span(1, 0, "pay", 0, 1_000);
        failed.status = Some(Status {
            code: StatusCode::Error.into(),
            message: "card declined".to_owned(),
        });
        let requests = [request("storefront", vec![failed])];
        let plain = draw(&requests, Style::PLAIN);
        assert!(
            plain.contains("1 span, 1 with an error") && plain.contains("error: card declined"),
            "{plain}"
        );
        assert!(draw(&requests, Style::COLOURED).contains("\x1b[31merror: card declined\x1b[0m"));
    }

    #[test]
    fn attributes_are_shown_typed_and_code_is_left_out() {
        let mut shown = span(1, 0, "pay", 0, 1_000);
        shown.attributes = vec![text("code.function.name", "a::b"), text("card", "visa")];
        let drawn = draw(&[request("storefront", vec![shown])], Style::PLAIN);
        assert!(
            drawn.contains("card=\"visa\"") && !drawn.contains("a::b"),
            "{drawn}"
        );
    }

    #[test]
    fn duration_takes_the_unit_that_reads_best() {
        assert_eq!(
            [
                duration(999),
                duration(1_500),
                duration(2_500_000),
                duration(3_000_000_000)
            ],
            ["999 ns", "1.5 µs", "2.5 ms", "3.00 s"]
        );
    }
}
