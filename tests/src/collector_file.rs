//! Reads what the Collector's file exporter wrote, in both of its formats.
//!
//! The Collector may be writing meanwhile: a record that is not whole yet is left for the next
//! look, anything else that cannot be read is an error.

use std::io;
use std::path::Path;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message;

/// A span with what stands above it in the message.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectedSpan {
    /// The resource; empty where the sender set none.
    pub resource: Resource,
    /// The scope; empty where the sender set none.
    pub scope: InstrumentationScope,
    /// The span itself.
    pub span: Span,
}

/// Reads the format `json`: one `TracesData` a line.
///
/// A file that does not exist yet is one without spans.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] for a line that is not `TracesData`.
pub fn read_json(path: &Path) -> io::Result<Vec<CollectedSpan>> {
    let content = content(path)?;
    // What follows the last line feed is a line that is being written.
    let whole = content
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let mut spans = Vec::new();
    for line in content[..whole]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let data: TracesData = serde_json::from_slice(line).map_err(|error| {
            invalid(
                path,
                format!("{error} in {}", String::from_utf8_lossy(line)),
            )
        })?;
        spans.extend(flatten(data));
    }
    Ok(spans)
}

/// Reads the format `proto`: before each `TracesData` its length, four bytes, big-endian.
///
/// A file that does not exist yet is one without spans.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] for a record that is not `TracesData`.
pub fn read_proto(path: &Path) -> io::Result<Vec<CollectedSpan>> {
    let content = content(path)?;
    let mut rest = content.as_slice();
    let mut spans = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(io::Error::other)?;
        let Some((record, after)) = after.split_at_checked(length) else {
            break;
        };
        let data = TracesData::decode(record).map_err(|error| invalid(path, error.to_string()))?;
        spans.extend(flatten(data));
        rest = after;
    }
    Ok(spans)
}

/// The spans of a message, each with its resource and scope.
pub fn flatten(data: TracesData) -> Vec<CollectedSpan> {
    let mut spans = Vec::new();
    for of_resource in data.resource_spans {
        let resource = of_resource.resource.unwrap_or_default();
        for of_scope in of_resource.scope_spans {
            let scope = of_scope.scope.unwrap_or_default();
            spans.extend(of_scope.spans.into_iter().map(|span| CollectedSpan {
                resource: resource.clone(),
                scope: scope.clone(),
                span,
            }));
        }
    }
    spans
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

fn invalid(path: &Path, why: String) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{}: {why}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;

    fn message(name: &str) -> TracesData {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: name.to_owned(),
            ..Span::default()
        };
        let of_scope = ScopeSpans {
            spans: vec![span],
            ..ScopeSpans::default()
        };
        TracesData {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![of_scope],
                ..ResourceSpans::default()
            }],
        }
    }

    fn names(spans: &[CollectedSpan]) -> Vec<&str> {
        spans
            .iter()
            .map(|collected| collected.span.name.as_str())
            .collect()
    }

    fn record(message: &TracesData) -> Vec<u8> {
        let body = message.encode_to_vec();
        let mut record = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        record.extend(body);
        record
    }

    #[test]
    fn proto_file_with_a_half_written_record_gives_the_whole_ones() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut content = [record(&message("first")), record(&message("second"))].concat();
        content.pop();
        std::fs::write(file.path(), &content).unwrap();
        assert_eq!(names(&read_proto(file.path()).unwrap()), ["first"]);
        content.extend([0; 1]);
        content.truncate(2);
        std::fs::write(file.path(), &content).unwrap();
        assert_eq!(read_proto(file.path()).unwrap(), []);
    }

    #[test]
    fn json_file_with_a_half_written_line_gives_the_whole_ones() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |name| serde_json::to_string(&message(name)).unwrap();
        let content = format!("{}\n{}", line("first"), line("second"));
        std::fs::write(file.path(), &content).unwrap();
        assert_eq!(names(&read_json(file.path()).unwrap()), ["first"]);
        std::fs::write(file.path(), content + "\n").unwrap();
        assert_eq!(names(&read_json(file.path()).unwrap()), ["first", "second"]);
    }

    #[test]
    fn a_record_that_is_no_message_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0, 0, 0, 1, 0xff]).unwrap();
        assert_eq!(
            read_proto(file.path()).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        std::fs::write(file.path(), "not JSON\n").unwrap();
        assert_eq!(
            read_json(file.path()).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn a_file_that_is_not_there_yet_has_no_spans() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        assert_eq!(read_json(&path).unwrap(), []);
        assert_eq!(read_proto(&path).unwrap(), []);
    }
}
