//! Prometheus' text format, read by the parser of the official Python client.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::locate::{Built, locate, service_source};

/// A family of metrics, as the parser understood it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Family {
    /// For a counter without its `_total`.
    pub name: String,
    /// `counter`, `histogram`.
    pub kind: String,
    /// What `# HELP` says.
    pub help: String,
    /// Its lines.
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Sample {
    /// With its suffix.
    pub name: String,
    /// Unescaped.
    pub labels: BTreeMap<String, String>,
    /// The figure.
    pub value: f64,
}

/// What Prometheus' parser makes of `text`.
///
/// # Panics
///
/// If it is refused, with what the parser said.
pub fn read_prometheus(text: &str) -> Vec<Family> {
    let mut reader = Command::new(locate(Built::PythonInterpreter))
        .arg(service_source("python/prometheus_reader.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    let mut stdin = reader.stdin.take().expect("it is piped");
    // It reads all before it writes anything.
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let output = reader.wait_with_output().expect("it ends");
    if !output.status.success() {
        panic!(
            "the parser refuses the text: {}\n{text}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).expect("it writes JSON")
}
