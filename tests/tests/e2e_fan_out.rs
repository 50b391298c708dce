//! One process that writes its spans to stdout and exports them as well.

use std::process::{Command, Stdio};

use otel_enhance_tests::loopback::Loopback;

#[test]
fn otlp_and_console_of_the_environment_both_get_every_span() {
    let loopback = Loopback::start();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_interop_sender"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(variable);
        }
    }
    let output = command
        .arg(folder.path().join("record.json"))
        .env("OTEL_TRACES_EXPORTER", "otlp,console")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", loopback.http())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");

    let text = String::from_utf8(output.stdout).unwrap();
    let mut written: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("span "))
        .filter_map(|line| line.split(" span=").nth(1)?.split(' ').next())
        .collect();
    written.sort_unstable();
    let spans = loopback.store().spans();
    let mut arrived: Vec<String> = spans
        .iter()
        .map(|stored| {
            let id = &stored.span.span_id;
            id.iter().map(|byte| format!("{byte:02x}")).collect()
        })
        .collect();
    arrived.sort_unstable();
    assert!(arrived.len() > 1200, "{} spans arrived", arrived.len());
    assert_eq!(written, arrived);
}
