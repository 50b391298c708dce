//! The requests that are sent.

use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// Requests with their numbers of spans.
pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) requests: Arc<Vec<(Bytes, u64)>>,
}

impl Corpus {
    pub(crate) fn spans(&self) -> u64 {
        self.requests.iter().map(|(_, spans)| spans).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.requests
            .iter()
            .map(|(body, _)| body.len() as u64)
            .sum()
    }
}

/// The corpora in a folder, or one that is made up.
pub(crate) fn all(folder: Option<&str>) -> Vec<Corpus> {
    let Some(folder) = folder else {
        return vec![made_up()];
    };
    let mut corpora = Vec::new();
    for path in entries(Path::new(folder)) {
        let mut streams: Vec<Vec<Bytes>> = entries(&path)
            .iter()
            .filter(|file| file.to_string_lossy().ends_with(".pbld.zst"))
            .map(|file| requests(&zstd::decode_all(&*std::fs::read(file).unwrap()).unwrap()))
            .collect();
        // The processes send beside each other, each in its order.
        let mut mixed = Vec::new();
        streams.iter_mut().for_each(|stream| stream.reverse());
        while streams.iter().any(|stream| !stream.is_empty()) {
            mixed.extend(streams.iter_mut().filter_map(Vec::pop));
        }
        if !mixed.is_empty() {
            corpora.push(corpus(
                path.file_name().unwrap().to_string_lossy().into(),
                mixed,
            ));
        }
    }
    corpora
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn requests(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut out = Vec::new();
    while bytes.has_remaining() {
        let length = prost::encoding::decode_varint(&mut bytes).unwrap() as usize;
        out.push(Bytes::copy_from_slice(&bytes[..length]));
        bytes.advance(length);
    }
    out
}

fn corpus(name: String, bodies: Vec<Bytes>) -> Corpus {
    let count = |body: &Bytes| {
        let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
        let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
        scopes.map(|scope| scope.spans.len() as u64).sum()
    };
    let requests = bodies.into_iter().map(|body| {
        let spans = count(&body);
        (body, spans)
    });
    Corpus {
        name,
        requests: Arc::new(requests.collect()),
    }
}

/// Spans of a shop with random ids.
pub(crate) fn made_up() -> Corpus {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let text = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value)),
        }),
        ..Default::default()
    };
    let mut bodies = Vec::new();
    for number in 0..64_u64 {
        let spans = (0..200).map(|index| {
            let start = 1_700_000_000_000_000_000 + number * 1_000_000_000 + index * 4_000_000;
            Span {
                trace_id: [next().to_be_bytes(), next().to_be_bytes()].concat(),
                span_id: next().to_be_bytes().to_vec(),
                name: ["GET /cart", "POST /order", "charge"][(index % 3) as usize].to_owned(),
                kind: (index % 3 + 1) as i32,
                start_time_unix_nano: start,
                end_time_unix_nano: start + next() % 3_000_000,
                attributes: vec![
                    text("http.route", format!("/item/{}", index % 9)),
                    text("user.id", format!("user-{}", next() % 1000)),
                ],
                ..Span::default()
            }
        });
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: spans.collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        bodies.push(request.encode_to_vec().into());
    }
    corpus("made up".to_owned(), bodies)
}
