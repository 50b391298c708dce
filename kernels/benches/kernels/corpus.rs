//! Trace data in columns: the extract beside this file, or full corpora.
//!
//! A corpus is a folder of `<process>.pbld.zst`: zstd around a sequence of length-delimited
//! `ExportTraceServiceRequest`s.

use std::error::Error;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message as _;

/// The columns of one corpus.
#[derive(Debug, Default)]
pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) trace_ids: Vec<[u8; 16]>,
    pub(crate) span_ids: Vec<[u8; 8]>,
    /// Nanoseconds since 1970.
    pub(crate) starts: Vec<u64>,
    /// Nanoseconds.
    pub(crate) durations: Vec<u64>,
    /// The strings among the attributes' values.
    pub(crate) values: Vec<String>,
}

impl Corpus {
    /// Reads at most `spans` spans of a corpus, as evenly from its processes as they have them.
    pub(crate) fn read(folder: &Path, spans: usize) -> Result<Self, Box<dyn Error>> {
        let mut streams: Vec<_> = fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        streams.sort();
        let mut corpus = Self {
            name: folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            ..Self::default()
        };
        let count = streams.len();
        for (at, stream) in streams.iter().enumerate() {
            let until = spans / count * (at + 1);
            let mut bytes = Vec::new();
            zstd::Decoder::new(File::open(stream)?)?.read_to_end(&mut bytes)?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() && corpus.starts.len() < until {
                let request = ExportTraceServiceRequest::decode_length_delimited(&mut rest)?;
                corpus.add(&request, until);
            }
        }
        Ok(corpus)
    }

    fn add(&mut self, request: &ExportTraceServiceRequest, until: usize) {
        let spans = request
            .resource_spans
            .iter()
            .flat_map(|r| &r.scope_spans)
            .flat_map(|s| &s.spans);
        for span in spans {
            if self.starts.len() == until {
                return;
            }
            let (Ok(trace_id), Ok(span_id)) = (
                span.trace_id.as_slice().try_into(),
                span.span_id.as_slice().try_into(),
            ) else {
                continue;
            };
            self.trace_ids.push(trace_id);
            self.span_ids.push(span_id);
            self.starts.push(span.start_time_unix_nano);
            self.durations.push(
                span.end_time_unix_nano
                    .saturating_sub(span.start_time_unix_nano),
            );
            self.add_values(&span.attributes);
            for event in &span.events {
                self.add_values(&event.attributes);
            }
        }
    }

    fn add_values(&mut self, attributes: &[KeyValue]) {
        for attribute in attributes {
            if let Some(AnyValue {
                value: Some(Value::StringValue(text)),
            }) = &attribute.value
            {
                self.values.push(text.clone());
            }
        }
    }
}
