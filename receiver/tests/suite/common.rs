//! What the tests share: messages, and an HTTP/1.1 client that is nothing but a socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use otel_enhance_receiver::proto::collector::trace::v1::ExportTraceServiceRequest;
use otel_enhance_receiver::proto::common::v1::any_value::Value;
use otel_enhance_receiver::proto::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use otel_enhance_receiver::proto::resource::v1::Resource;
use otel_enhance_receiver::proto::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use prost::Message;

pub(crate) const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

/// A request with every field that a trace has, in `spans` spans.
pub(crate) fn request(spans: usize) -> ExportTraceServiceRequest {
    let span = |index: usize| Span {
        trace_id: vec![index as u8; 16],
        span_id: vec![index as u8 | 1; 8],
        trace_state: "a=b".to_owned(),
        parent_span_id: vec![9; 8],
        flags: 0x101,
        name: format!("span {index}"),
        kind: span::SpanKind::Server as i32,
        start_time_unix_nano: 1_700_000_000_000_000_001,
        end_time_unix_nano: u64::MAX,
        attributes: vec![
            attribute("text", Value::StringValue("ü\"\n".to_owned())),
            attribute("integer", Value::IntValue(i64::MIN)),
            attribute("double", Value::DoubleValue(0.1)),
            attribute("truth", Value::BoolValue(true)),
            attribute("bytes", Value::BytesValue(vec![0, 255, 1])),
            attribute(
                "list",
                Value::ArrayValue(ArrayValue {
                    values: vec![AnyValue {
                        value: Some(Value::IntValue(3)),
                    }],
                }),
            ),
            attribute(
                "map",
                Value::KvlistValue(KeyValueList {
                    values: vec![attribute("inner", Value::DoubleValue(-2.0))],
                }),
            ),
        ],
        dropped_attributes_count: 1,
        events: vec![span::Event {
            time_unix_nano: 5,
            name: "event".to_owned(),
            attributes: vec![attribute("in event", Value::BoolValue(false))],
            dropped_attributes_count: 2,
        }],
        dropped_events_count: 3,
        links: vec![span::Link {
            trace_id: vec![7; 16],
            span_id: vec![8; 8],
            trace_state: "c=d".to_owned(),
            attributes: vec![attribute("in link", Value::IntValue(1))],
            dropped_attributes_count: 4,
            flags: 1,
        }],
        dropped_links_count: 5,
        status: Some(Status {
            message: "no".to_owned(),
            code: 2,
        }),
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![attribute(
                    "service.name",
                    Value::StringValue("shop".to_owned()),
                )],
                dropped_attributes_count: 6,
                ..Default::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "scope".to_owned(),
                    version: "1.2".to_owned(),
                    attributes: vec![attribute("in scope", Value::IntValue(2))],
                    dropped_attributes_count: 7,
                }),
                spans: (0..spans).map(span).collect(),
                schema_url: "https://scope.example/schema".to_owned(),
            }],
            schema_url: "https://resource.example/schema".to_owned(),
        }],
    }
}

pub(crate) fn encoded(spans: usize) -> Vec<u8> {
    request(spans).encode_to_vec()
}

/// A response read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as `google.rpc.Status`.
    pub(crate) fn rpc_status(&self) -> tonic_types::Status {
        tonic_types::Status::decode(&*self.body).unwrap()
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// One request on a connection of its own.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    exchange(&mut connect(address), method, path, headers, body)
}

pub(crate) fn post(address: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(address, "POST", "/v1/traces", headers, body)
}

pub(crate) fn exchange(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    read_reply(stream)
}

pub(crate) fn read_reply(stream: &mut impl Read) -> Reply {
    let mut raw = Vec::new();
    if let Err(error) = stream.read_to_end(&mut raw) {
        panic!(
            "no whole reply: {error}; so far {:?}",
            String::from_utf8_lossy(&raw)
        );
    }
    let end = raw
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no reply: {:?}", String::from_utf8_lossy(&raw)));
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    Reply {
        status: status.parse().unwrap(),
        headers: lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_ascii_lowercase(), value.to_owned())
            })
            .collect(),
        body: raw[end + 4..].to_vec(),
    }
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 3).unwrap()
}

/// The program of this crate, running.
pub(crate) struct Program {
    pub(crate) child: std::process::Child,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
}

impl Program {
    /// Starts it on free ports, unless `arguments` say otherwise, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_otel-enhance-receiver"));
        for name in ["--http", "--grpc"] {
            if !arguments.contains(&name) {
                command.args([name, "127.0.0.1:0"]);
            }
        }
        let mut child = command
            .args(arguments)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let mut address = |name: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(name).unwrap().parse().unwrap()
        };
        let (http, grpc) = (address("http="), address("grpc="));
        Self { child, http, grpc }
    }

    /// Peak resident memory in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<usize>().unwrap() * 1024
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits for something that must come, on a machine however busy.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
