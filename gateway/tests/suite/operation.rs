//! How the program is started, watched and stopped.

use std::time::Duration;

use bytes::Bytes;

use crate::common::{
    PROTOBUF, destination, encoded, endpoint, gateway, get, held_destination, post, until_asked,
};
use crate::program::{Program, command};

#[test]
fn configuration_that_is_wrong_ends_the_program_with_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    for check in [true, false] {
        std::fs::write(&path, "limits:\n  memory: lots\n").unwrap();
        let mut command = command();
        command.arg("--config").arg(&path);
        if check {
            command.arg("--check");
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        let said = String::from_utf8(output.stderr).unwrap();
        for part in ["line 2", "limits.memory", "16MiB", "memory: lots"] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn check_of_a_right_configuration_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    let spans = folder.path().join("spans.pbld");
    std::fs::write(
        &path,
        format!("outputs: [{{ file: {{ path: '{}' }} }}]", spans.display()),
    )
    .unwrap();
    let output = command()
        .arg("--check")
        .arg("--config")
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!spans.exists());
}

#[test]
fn check_finds_what_no_field_shows_by_itself_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let made = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (
            write(&format!("{name}.pem"), made.cert.pem()),
            write(&format!("{name}.key"), made.signing_key.serialize_pem()),
        )
    };
    let ((cert, _), (_, key)) = (made("a"), made("b"));
    let file = write("file", String::new());
    for (yaml, hint) in [
        (
            format!("receivers: {{ tls: {{ cert_file: '{cert}', key_file: '{key}' }} }}"),
            "receivers.tls: ",
        ),
        (
            format!(
                "outputs: [{{ file: {{ path: a }} }}, {{ otlp: {{ endpoint: 'https://a', tls: {{ ca_file: '{cert}', cert_file: '{cert}', key_file: '{key}' }} }} }}]"
            ),
            "outputs[1]: ",
        ),
        (
            "outputs: [{ file: { path: /none/spans.pbld } }]".to_owned(),
            "outputs[0]: ",
        ),
        (
            format!("outputs: [{{ file: {{ path: '{file}/spans.pbld' }} }}]"),
            "directory",
        ),
        (
            format!(
                "outputs: [{{ file: {{ path: '{}' }} }}]",
                folder.path().display()
            ),
            "directory",
        ),
    ] {
        let path = write("gateway.yaml", yaml);
        let output = command().args(["--check", "--config", &path]).output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn options_that_are_wrong_say_what_would_be_right() {
    for (arguments, hint) in [
        (&["--forward-to", "collector:4318"][..], "http://HOST:PORT"),
        (&["--http", "4318"], "HOST:PORT"),
        (&["--config", "/none.yaml"], "cannot read"),
        (&["--forwards"], "--help"),
        (&["--compress-to", "grpc://far:99999"], "a port is"),
        (&["--http", "off", "--grpc", "off"], "leave one of them on"),
        (
            &["--http", "127.0.0.1:1", "--grpc", "127.0.0.1:1"],
            "another port",
        ),
    ] {
        let output = command().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(hint), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_had_ends_the_program_with_its_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spans.pbld");
    let _other = otel_enhance_receiver::FileStore::open(&file, Default::default()).unwrap();
    let free = folder.path().join("free.pbld");
    let (file, free) = (file.to_str().unwrap(), free.to_str().unwrap());
    for (http, admin, file, hint) in [
        (&*taken, "off", free, "cannot listen"),
        ("127.0.0.1:0", &*taken, free, "admin.address"),
        ("127.0.0.1:0", "off", "/none/spans.pbld", "/none/spans.pbld"),
        ("127.0.0.1:0", "off", "/dev/zero", "no regular file"),
        ("127.0.0.1:0", "off", file, "another process writes it"),
    ] {
        let output = command()
            .args(["--http", http, "--grpc", "off", "--admin", admin])
            .args(["--file", file])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn program_without_configuration_writes_a_file_in_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    // Its ports are the standard ones, which may be taken here.
    let free = [
        "--http",
        "127.0.0.1:0",
        "--grpc",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let program = Program::run(command().args(free).current_dir(folder.path()));
    let url = format!("http://{}", program.address("http").unwrap());
    assert_eq!(post(&url, PROTOBUF, &[], &encoded(1, 2)).await.status, 200);
    let written = std::fs::read(folder.path().join("spans.pbld")).unwrap();
    assert!(written.ends_with(&encoded(1, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn term_answers_what_is_in_flight_and_ends_well() {
    let (receiver, gate) = held_destination().await;
    let mut program = Program::start(&format!(
        "receivers: {{ http: 127.0.0.1:0, grpc: off }}
outputs: [{{ otlp: {{ endpoint: '{}' }} }}]
admin: {{ address: 127.0.0.1:0 }}
shutdown: {{ delay: 300ms }}",
        endpoint(&receiver, false)
    ));
    let url = format!("http://{}", program.address("http").unwrap());
    let admin = format!("http://{}", program.address("admin").unwrap());
    assert_eq!(get(&format!("{admin}/healthz")).await.0, 200);
    assert_eq!(get(&format!("{admin}/readyz")).await.0, 200);
    assert_eq!(get(&format!("{admin}/other")).await.0, 404);
    let held = tokio::spawn(async move { post(&url, PROTOBUF, &[], &encoded(1, 1)).await });
    until_asked(&receiver).await;
    program.terminate();
    while get(&format!("{admin}/readyz")).await.0 == 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
    let status = tokio::task::spawn_blocking(move || (program.wait(), program.log()));
    let (status, log) = status.await.unwrap();
    assert!(status.success(), "{log:?}");
    assert!(
        log.iter()
            .any(|line| line.contains("every request was answered")),
        "{log:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn term_does_not_wait_beyond_the_deadline() {
    let (receiver, _gate) = held_destination().await;
    let mut program = Program::start(&format!(
        "receivers: {{ http: 127.0.0.1:0, grpc: off }}
outputs: [{{ otlp: {{ endpoint: '{}' }} }}]
admin: {{ address: 127.0.0.1:0 }}
log: {{ format: logfmt, level: debug }}
shutdown: {{ deadline: 200ms }}",
        endpoint(&receiver, false)
    ));
    let url = format!("http://{}", program.address("http").unwrap());
    let held = tokio::spawn(async move {
        crate::common::try_post(
            &crate::common::client(),
            &url,
            PROTOBUF,
            &[],
            &encoded(1, 1),
        )
        .await
    });
    until_asked(&receiver).await;
    program.terminate();
    let status = tokio::task::spawn_blocking(move || program.wait());
    assert_eq!(status.await.unwrap().code(), Some(1));
    assert!(held.await.unwrap().is_err(), "it was not acknowledged");
}

/// What `promtool check metrics` would say, as far as can be told without it.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_well_formed() {
    let (receiver, _store) = destination().await;
    let gateway = gateway(&format!(
        "outputs:
- otlp: {{ endpoint: '{0}' }}
- otlp: {{ endpoint: '{0}' }}
- tracezip: {{ endpoint: '{0}' }}",
        endpoint(&receiver, false)
    ))
    .await;
    let url = format!("http://{}", gateway.http_addr().unwrap());
    assert_eq!(post(&url, PROTOBUF, &[], &Bytes::new()).await.status, 200);
    let (_, text) = get(&format!("http://{}/metrics", gateway.admin_addr().unwrap())).await;
    let mut described = std::collections::HashSet::new();
    let mut series = std::collections::HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(described.insert(name.to_owned()), "{line}");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(name.to_owned()), "{line}");
            assert!(
                described.contains(name.split('{').next().unwrap()),
                "{line}"
            );
            value.parse::<u64>().unwrap();
        }
    }
    assert!(series.len() > 50, "{text}");
}

const KAFKA: &str = "outputs: [{ kafka: { brokers: ['127.0.0.1:1'], timeout: 1s } }]";

#[cfg(not(feature = "kafka"))]
#[test]
fn kafka_in_a_build_without_it_is_named_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    std::fs::write(&path, KAFKA).unwrap();
    let mut command = command();
    let output = command.arg("--check").arg("--config").arg(&path).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("feature `kafka`"), "{said}");
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread")]
async fn kafka_that_is_away_is_503() {
    let gateway = gateway(KAFKA).await;
    let url = format!("http://{}", gateway.http_addr().unwrap());
    assert_eq!(post(&url, PROTOBUF, &[], &encoded(1, 1)).await.status, 503);
}
