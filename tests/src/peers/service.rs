//! Small services that call each other: on the official SDKs of other languages, whose sources are in
//! `tests/services`, and on this library.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::http;
use super::locate::{Built, locate, service_source};
use super::running::{EndedEarly, Running};

/// A service that continues a trace, calls on, and exports its spans before it answers.
#[derive(Debug)]
pub struct Service {
    // Dropped, and so stopped, before the folder goes.
    _running: Running,
    _folder: TempDir,
    port: u16,
}

/// What a service says about one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// `python`, `javascript` or `rust`.
    pub language: String,
    /// The trace that the service's span belongs to, in hexadecimal, as all ids here.
    pub trace_id: String,
    /// The service's own server span.
    pub span_id: String,
    /// The span that came with the request; `None` if none did.
    pub parent_span_id: Option<String>,
    /// Whether the service's span is sampled.
    pub sampled: bool,
    /// The `tracestate` of the service's span, as a header.
    pub tracestate: String,
    /// The baggage that came with the request.
    pub baggage: BTreeMap<String, String>,
    /// What the next one in the chain answered; `null` for the last.
    pub next: serde_json::Value,
}

impl Service {
    /// Starts the one on the Python SDK; it exports to `otlp_endpoint`, an address without
    /// `/v1/traces`, and calls itself `name`.
    ///
    /// # Panics
    ///
    /// If the SDK was not installed or the service does not start, with what it said.
    pub fn python(otlp_endpoint: &str, name: &str) -> Self {
        let mut command = Command::new(locate(Built::PythonInterpreter));
        command.arg(service_source("python/service.py"));
        Self::start("the Python service", command.args([otlp_endpoint, name]))
    }

    /// Starts the one on the JavaScript SDK, likewise.
    ///
    /// # Panics
    ///
    /// If the SDK was not installed or the service does not start, with what it said.
    pub fn javascript(otlp_endpoint: &str, name: &str) -> Self {
        let mut command = Command::new("node");
        command
            .env("NODE_PATH", locate(Built::NodeModules))
            .arg(service_source("node/service.js"));
        Self::start(
            "the JavaScript service",
            command.args([otlp_endpoint, name]),
        )
    }

    /// Starts the one on this library, `env!("CARGO_BIN_EXE_rust_service")`, likewise.
    ///
    /// # Panics
    ///
    /// If the service does not start, with what it said.
    pub fn rust(program: impl AsRef<Path>, otlp_endpoint: &str, name: &str) -> Self {
        let mut command = Command::new(program.as_ref());
        Self::start("the Rust service", command.args([otlp_endpoint, name]))
    }

    fn start(name: &'static str, command: &mut Command) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("service-")
            .tempdir()
            .expect("a temporary folder");
        let ready = |output: &str| {
            let line = output
                .lines()
                .find_map(|line| line.strip_prefix("listening "));
            line.and_then(|port| port.parse().ok())
        };
        match Running::start(name, command, folder.path().join("log"), ready) {
            Ok((running, port)) => Self {
                _running: running,
                _folder: folder,
                port,
            },
            Err(EndedEarly(output)) => panic!("{name} did not start; it said:\n{output}"),
        }
    }

    /// The address that calls this service and lets it call `next`.
    ///
    /// Chains are made by nesting: `python.url(Some(&javascript.url(None)))`.
    pub fn url(&self, next: Option<&str>) -> String {
        let call = format!("http://127.0.0.1:{}/call", self.port);
        match next {
            None => call,
            Some(next) => {
                let next =
                    percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
                format!("{call}?next={next}")
            }
        }
    }

    /// Calls it, with the headers of a trace to continue.
    ///
    /// # Panics
    ///
    /// If it does not answer, or says that the call failed.
    pub fn call(&self, next: Option<&str>, headers: &[(&str, &str)]) -> Called {
        let answer = http::get(&self.url(next), headers);
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "the service answered {body}");
        answer.json()
    }
}
