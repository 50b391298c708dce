//! Batches of spans to encode: generated ones, and whole corpora of recorded requests.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{self as common, AnyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span, span, status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use prost::Message;

/// What one exporter sends: batches of one resource, in their order.
pub(crate) struct Stream {
    pub(crate) resource: Resource,
    pub(crate) batches: Vec<Vec<SpanData>>,
}

pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) streams: Vec<Stream>,
}

impl Corpus {
    pub(crate) fn spans(&self) -> usize {
        let batches = self.streams.iter().flat_map(|stream| &stream.batches);
        batches.map(Vec::len).sum()
    }
}

/// The corpora in the folders of `root`: `<corpus>/<process>.pbld.zst`, each a sequence of requests with
/// their lengths as varints before them, compressed with zstd.
pub(crate) fn read_all(root: &Path) -> Vec<Corpus> {
    let mut folders: Vec<_> = std::fs::read_dir(root)
        .expect("a folder of corpora")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders.iter().map(|folder| read(folder)).collect()
}

fn read(folder: &Path) -> Corpus {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(".pbld.zst"))
        .collect();
    files.sort();
    let mut words = Words::default();
    let mut streams: Vec<Stream> = Vec::new();
    for file in files {
        let file = std::fs::File::open(file).expect("a readable file");
        let bytes = zstd::decode_all(file).expect("zstd");
        let mut rest = &*bytes;
        let first = streams.len();
        while !rest.is_empty() {
            let request =
                ExportTraceServiceRequest::decode_length_delimited(&mut rest).expect("a request");
            for spans in request.resource_spans {
                let (resource, batch) = words.batch(spans);
                match streams[first..].iter_mut().find(|s| s.resource == resource) {
                    Some(stream) => stream.batches.push(batch),
                    None => streams.push(Stream {
                        resource,
                        batches: vec![batch],
                    }),
                }
            }
        }
    }
    let name = folder.file_name().unwrap_or_default();
    Corpus {
        name: name.to_string_lossy().into_owned(),
        streams,
    }
}

/// 512 spans a batch with so many attributes, every other one a text.
pub(crate) fn generated(attributes: usize) -> Corpus {
    const KEYS: [&str; 8] = [
        "http.request.method",
        "http.response.status_code",
        "url.path",
        "server.port",
        "user_agent.original",
        "network.peer.port",
        "db.query.text",
        "messaging.batch.message_count",
    ];
    let scope = InstrumentationScope::builder("shop")
        .with_version("1.0")
        .build();
    let span = |index: u64| SpanData {
        span_context: SpanContext::new(
            TraceId::from(u128::from(index) << 64 | 0x9e37_79b9_7f4a_7c15),
            SpanId::from(index.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: SpanId::from(index + 1),
        parent_span_is_remote: false,
        span_kind: SpanKind::Server,
        name: Cow::Borrowed("shop::cart::checkout"),
        start_time: UNIX_EPOCH
            + Duration::from_nanos(1_700_000_000_000_000_000 + index * 1_000_003),
        end_time: UNIX_EPOCH + Duration::from_nanos(1_700_000_000_001_000_000 + index * 1_000_007),
        attributes: (0..attributes)
            .map(|at| {
                let key = KEYS[at % KEYS.len()];
                if at % 2 == 0 {
                    KeyValue::new(key, format!("/shop/carts/{index}/items/{at}"))
                } else {
                    KeyValue::new(key, 200 + index as i64)
                }
            })
            .collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope.clone(),
    };
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "shop"),
            KeyValue::new("service.version", "1.2.3"),
            KeyValue::new("host.name", "shop-7b9f"),
        ])
        .build();
    Corpus {
        name: format!("generated-{attributes}-attributes"),
        streams: vec![Stream {
            resource,
            batches: (0..20)
                .map(|batch| (0..512).map(|index| span(batch * 512 + index)).collect())
                .collect(),
        }],
    }
}

/// Keys, scopes and the like, which an application has as literals: they live as long as the program.
#[derive(Default)]
struct Words(HashMap<String, &'static str>);

impl Words {
    fn literal(&mut self, text: String) -> &'static str {
        self.0
            .entry(text)
            .or_insert_with_key(|text| Box::leak(text.clone().into_boxed_str()))
    }

    fn batch(&mut self, spans: ResourceSpans) -> (Resource, Vec<SpanData>) {
        let attributes = self.attributes(spans.resource.unwrap_or_default().attributes);
        let resource = Resource::builder_empty()
            .with_schema_url(attributes, self.literal(spans.schema_url))
            .build();
        let mut batch = Vec::new();
        for group in spans.scope_spans {
            let wire = group.scope.unwrap_or_default();
            let mut scope = InstrumentationScope::builder(self.literal(wire.name))
                .with_attributes(self.attributes(wire.attributes));
            if !wire.version.is_empty() {
                scope = scope.with_version(self.literal(wire.version));
            }
            if !group.schema_url.is_empty() {
                scope = scope.with_schema_url(self.literal(group.schema_url));
            }
            let scope = scope.build();
            batch.extend(group.spans.into_iter().map(|span| self.span(span, &scope)));
        }
        // As they ended, and not by scope as they were sent.
        batch.sort_by_key(|span| span.end_time);
        (resource, batch)
    }

    fn span(&mut self, span: Span, scope: &InstrumentationScope) -> SpanData {
        let mut events = SpanEvents::default();
        events.dropped_count = span.dropped_events_count;
        events.events = span
            .events
            .into_iter()
            .map(|event| {
                Event::new(
                    self.literal(event.name),
                    time(event.time_unix_nano),
                    self.attributes(event.attributes),
                    event.dropped_attributes_count,
                )
            })
            .collect();
        let mut links = SpanLinks::default();
        links.dropped_count = span.dropped_links_count;
        links.links = span
            .links
            .into_iter()
            .map(|link| {
                let context = context(&link.trace_id, &link.span_id, link.flags, &link.trace_state);
                Link::new(
                    context,
                    self.attributes(link.attributes),
                    link.dropped_attributes_count,
                )
            })
            .collect();
        let status = span.status.unwrap_or_default();
        SpanData {
            span_context: context(&span.trace_id, &span.span_id, span.flags, &span.trace_state),
            parent_span_id: SpanId::from_bytes(span.parent_span_id.try_into().unwrap_or_default()),
            parent_span_is_remote: span.flags & 0x200 != 0,
            span_kind: match span::SpanKind::try_from(span.kind) {
                Ok(span::SpanKind::Server) => SpanKind::Server,
                Ok(span::SpanKind::Client) => SpanKind::Client,
                Ok(span::SpanKind::Producer) => SpanKind::Producer,
                Ok(span::SpanKind::Consumer) => SpanKind::Consumer,
                _ => SpanKind::Internal,
            },
            name: Cow::Owned(span.name),
            start_time: time(span.start_time_unix_nano),
            end_time: time(span.end_time_unix_nano),
            attributes: self.attributes(span.attributes),
            dropped_attributes_count: span.dropped_attributes_count,
            events,
            links,
            status: match status::StatusCode::try_from(status.code) {
                Ok(status::StatusCode::Ok) => Status::Ok,
                Ok(status::StatusCode::Error) => Status::error(status.message),
                _ => Status::Unset,
            },
            instrumentation_scope: scope.clone(),
        }
    }

    fn attributes(&mut self, attributes: Vec<common::KeyValue>) -> Vec<KeyValue> {
        attributes
            .into_iter()
            .map(|attribute| {
                let key = Key::from_static_str(self.literal(attribute.key));
                KeyValue::new(key, value(attribute.value.unwrap_or_default()))
            })
            .collect()
    }
}

fn time(unix_nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}

fn context(trace_id: &[u8], span_id: &[u8], flags: u32, state: &str) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace_id.try_into().unwrap_or_default()),
        SpanId::from_bytes(span_id.try_into().unwrap_or_default()),
        TraceFlags::new(flags as u8),
        flags & 0x200 != 0,
        state.parse().unwrap_or_default(),
    )
}

/// The SDK's values are fewer than OTLP's: what it does not know becomes a text.
fn value(value: AnyValue) -> Value {
    match value.value {
        Some(any_value::Value::StringValue(text)) => Value::String(text.into()),
        Some(any_value::Value::BoolValue(value)) => Value::Bool(value),
        Some(any_value::Value::IntValue(value)) => Value::I64(value),
        Some(any_value::Value::DoubleValue(value)) => Value::F64(value),
        Some(any_value::Value::ArrayValue(array)) => Value::Array(elements(array.values)),
        other => Value::String(format!("{other:?}").into()),
    }
}

fn elements(values: Vec<AnyValue>) -> Array {
    let values: Vec<Value> = values.into_iter().map(value).collect();
    match values.first() {
        Some(Value::I64(_)) => Array::I64(
            values
                .iter()
                .filter_map(|value| match value {
                    Value::I64(value) => Some(*value),
                    _ => None,
                })
                .collect(),
        ),
        _ => Array::String(values.into_iter().map(Into::into).collect()),
    }
}
