//! Memory under attack, measured from outside on the running program.

use crate::common::{JSON, PROTOBUF, Program, encoded, gzip, post, zstd};
use otel_enhance_receiver::proto::collector::trace::v1::ExportTraceServiceRequest;
use otel_enhance_receiver::proto::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

const MIB: usize = 1024 * 1024;

/// The limit of 16 MiB for what comes and the same for what comes out of it, some slack for a
/// buffer that doubles, and the program itself.
const ENOUGH: usize = 72 * MIB;

/// A zlib stream of `data` many times over, without an end: nobody reads that far.
fn endless_deflate(data: &[u8], times: usize) -> Vec<u8> {
    let mut stream = Vec::with_capacity(64 * 1024);
    flate2::Compress::new(flate2::Compression::fast(), true)
        .compress_vec(data, &mut stream, flate2::FlushCompress::Full)
        .unwrap();
    let (header, block) = stream.split_at(2);
    [header, &block.repeat(times)].concat()
}

#[test]
fn bombs_are_413_and_take_no_more_memory_than_allowed() {
    let program = Program::start(&[]);
    let zeros = vec![0; 8 * MIB];
    let bombs = [
        ("gzip", gzip(&zeros).repeat(50)),
        ("zstd", zstd(&zeros).repeat(50)),
        ("deflate", endless_deflate(&zeros, 50)),
    ];
    for (encoding, bomb) in &bombs {
        assert!(bomb.len() < 4 * MIB);
        for content_type in [PROTOBUF, JSON] {
            let headers = [content_type, ("content-encoding", *encoding)];
            assert_eq!(post(program.http, &headers, bomb).status, 413, "{encoding}");
        }
    }
    assert_eq!(post(program.http, &[PROTOBUF], &encoded(1)).status, 200);
    assert!(program.peak_memory() < ENOUGH, "{}", program.peak_memory());
}

#[test]
fn millions_of_empty_spans_are_413_before_they_are_decoded() {
    let program = Program::start(&[]);
    let message = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![Span::default(); 1_000_000],
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let body = message.encode_to_vec();
    assert!(body.len() < 3 * MIB);
    assert_eq!(post(program.http, &[PROTOBUF], &body).status, 413);
    let json = format!(
        "{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{}{{}}]}}]}}]}}",
        "{},".repeat(1_000_000)
    );
    assert_eq!(post(program.http, &[JSON], json.as_bytes()).status, 413);
    assert!(program.peak_memory() < ENOUGH, "{}", program.peak_memory());
}
