//! The program and its record file: killed, restarted, stopped.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::common::{JSON, PROTOBUF, Program, connect, encoded, exchange, post, request};
use otel_enhance_receiver::proto::collector::trace::v1::trace_service_client::TraceServiceClient;
use otel_enhance_receiver::{Durability, FileStore, RecordError, read_records};
use tonic::codec::CompressionEncoding;

fn span_names(path: &Path) -> Vec<String> {
    read_records(path)
        .unwrap()
        .iter()
        .flat_map(|request| &request.resource_spans[0].scope_spans[0].spans)
        .map(|span| span.name.clone())
        .collect()
}

#[test]
fn recorded_requests_read_back_equal_whatever_way_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans");
    let program = Program::start(&["--record", path.to_str().unwrap(), "--fsync"]);
    assert_eq!(post(program.http, &[PROTOBUF], &encoded(3)).status, 200);
    let json = serde_json::to_vec(&request(2)).unwrap();
    assert_eq!(post(program.http, &[JSON], &json).status, 200);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut client = TraceServiceClient::connect(format!("http://{}", program.grpc))
            .await
            .unwrap()
            .send_compressed(CompressionEncoding::Zstd);
        client.export(request(4)).await.unwrap();
    });
    assert_eq!(
        read_records(&path).unwrap(),
        [request(3), request(2), request(4)]
    );
}

#[test]
fn everything_acknowledged_before_sigkill_is_in_the_file_and_a_restart_appends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans");
    let arguments = ["--record", path.to_str().unwrap()];
    let acknowledged = Arc::new(AtomicU64::new(0));
    for round in 1..=3_u64 {
        let mut program = Program::start(&arguments);
        let address = program.http;
        let before = acknowledged.load(Ordering::SeqCst);
        let senders: Vec<_> = (0..3)
            .map(|_| {
                let acknowledged = Arc::clone(&acknowledged);
                std::thread::spawn(move || {
                    let body = encoded(1);
                    // Until the program is gone.
                    while std::panic::catch_unwind(|| {
                        assert_eq!(post(address, &[PROTOBUF], &body).status, 200);
                    })
                    .is_ok()
                    {
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let start = Instant::now();
        while acknowledged.load(Ordering::SeqCst) < before + 50 {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "nothing is acknowledged"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        for sender in senders {
            sender.join().unwrap();
        }
        let recorded = read_records(&path).unwrap().len() as u64;
        let acknowledged = acknowledged.load(Ordering::SeqCst);
        assert!(recorded >= acknowledged, "{recorded} < {acknowledged}");
        // At most the requests in flight were recorded without being acknowledged.
        assert!(
            recorded <= acknowledged + 3 * round,
            "{recorded} > {acknowledged}"
        );
    }
}

#[test]
fn torn_record_is_passed_over_by_readers_and_cut_off_by_the_next_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans");
    let whole = {
        let program = Program::start(&["--record", path.to_str().unwrap()]);
        post(program.http, &[PROTOBUF], &encoded(1));
        std::fs::read(&path).unwrap()
    };
    for torn in 1..whole.len() {
        let mut damaged = whole.clone();
        damaged.extend_from_slice(&whole[..torn]);
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(span_names(&path), ["span 0"], "torn at {torn}");
        let store = FileStore::open(&path, Durability::Process).unwrap();
        assert_eq!(store.length(), whole.len() as u64);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
    let program = Program::start(&["--record", path.to_str().unwrap()]);
    post(program.http, &[PROTOBUF], &encoded(2));
    assert_eq!(span_names(&path), ["span 0", "span 0", "span 1"]);
}

#[test]
fn file_that_holds_no_records_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter");
    for letter in [
        &b"\x05Dear Sir or Madam, this is no telemetry at all."[..],
        // Shorter than what would be its first length.
        b"hello",
    ] {
        std::fs::write(&path, letter).unwrap();
        let error = FileStore::open(&path, Durability::Process).unwrap_err();
        assert!(
            matches!(error, RecordError::Malformed { offset: 0, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("letter"));
        assert_eq!(std::fs::read(&path).unwrap(), letter);
    }
}

/// Whoever leaves requests undecoded acknowledges, and records, what others would not decode.
#[test]
fn file_with_a_record_that_does_not_decode_is_appended_to_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans");
    // A resource, a scope, and a span whose name is no UTF-8.
    let record = b"\x09\x0a\x07\x12\x05\x12\x03\x2a\x01\xff";
    std::fs::write(&path, record).unwrap();
    let store = FileStore::open(&path, Durability::Process).unwrap();
    assert_eq!(store.length(), record.len() as u64);
    let error = read_records(&path).unwrap_err();
    assert!(matches!(error, RecordError::Malformed { .. }), "{error}");
}

#[test]
fn full_disk_is_503_and_the_file_stays_readable() {
    // A file size limit stands for the full disk; SIGXFSZ is ignored by `trap`.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans");
    let script = format!(
        "trap '' XFSZ; ulimit -f 4; exec \"{}\" --http 127.0.0.1:0 --record \"{}\"",
        env!("CARGO_BIN_EXE_otel-enhance-receiver"),
        path.display()
    );
    let mut child = std::process::Command::new("bash")
        .args(["-c", &script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let address = line.trim().strip_prefix("http=").unwrap().parse().unwrap();
    let mut accepted = 0;
    let refused = loop {
        let reply = post(address, &[PROTOBUF], &encoded(1));
        if reply.status != 200 {
            break reply;
        }
        accepted += 1;
        assert!(accepted < 100);
    };
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("5"))
    );
    let small = post(address, &[PROTOBUF], b"");
    assert_eq!(small.status, 200, "there is room for a small one");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(read_records(&path).unwrap().len(), accepted + 1);
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_exits_with_success() {
    let mut program = Program::start(&["--latency-ms", "2500"]);
    let mut stream = connect(program.http);
    let sender =
        std::thread::spawn(move || exchange(&mut stream, "POST", "/v1/traces", &[PROTOBUF], b""));
    // Long enough for the request to arrive, short enough for it to be in flight.
    std::thread::sleep(Duration::from_millis(1000));
    program.signal("TERM");
    assert_eq!(sender.join().unwrap().status, 200);
    assert!(program.child.wait().unwrap().success());
}

#[test]
fn faults_of_the_command_line_are_met() {
    let program = Program::start(&["--status", "503", "--retry-after", "9", "--fail-first", "1"]);
    let reply = post(program.http, &[PROTOBUF], b"");
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("9"))
    );
    assert_eq!(post(program.http, &[PROTOBUF], b"").status, 200);

    let program = Program::start(&["--garbage"]);
    let reply = post(program.http, &[PROTOBUF], b"");
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("garbage"));

    let program = Program::start(&["--redirect", "http://127.0.0.1:1/elsewhere"]);
    let reply = post(program.http, &[PROTOBUF], b"");
    assert_eq!(
        (reply.status, reply.header("location")),
        (307, Some("http://127.0.0.1:1/elsewhere"))
    );

    let program = Program::start(&["--hang"]);
    let mut stream = connect(program.http);
    stream
        .write_all(b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let error = std::io::Read::read(&mut stream, &mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn wrong_command_lines_say_what_is_wrong() {
    for (arguments, expected) in [
        (&["--htpt", "x"][..], "--htpt"),
        (&["--status", "99"], "99"),
        (&["--tls-cert", "a"], "go together"),
        (&["--http", "127.0.0.1:1:2"], "127.0.0.1:1:2"),
        (
            &["--record", "/no/such/folder/file"],
            "/no/such/folder/file",
        ),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_otel-enhance-receiver"))
            .args(arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

#[cfg(unix)]
#[test]
fn second_store_on_a_file_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans.otlp");
    let first = FileStore::open(&path, Durability::Process).unwrap();
    let refused = FileStore::open(&path, Durability::Process).unwrap_err();
    assert!(refused.to_string().contains("another process"), "{refused}");
    drop(first);
    assert!(FileStore::open(&path, Durability::Process).is_ok());
}

#[cfg(unix)]
#[test]
fn device_is_no_record_file() {
    for device in ["/dev/zero", "/dev/full", "/dev/null"] {
        let refused = FileStore::open(device, Durability::Process).unwrap_err();
        assert!(refused.to_string().contains("no regular file"), "{refused}");
    }
}
