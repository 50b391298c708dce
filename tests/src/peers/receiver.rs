//! This workspace's own receiver as a process: unlike the Collector it records before it answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use otel_enhance_receiver::read_records;
use tempfile::TempDir;

use super::ports;
use super::running::{EndedEarly, Running};
use crate::collector_file::{CollectedSpan, flatten};
use crate::programs::program_with;
use opentelemetry_proto::tonic::trace::v1::TracesData;

/// `otel-enhance-receiver --record`, on the same ports and file however often it is started.
#[derive(Debug)]
pub struct Receiver {
    running: Running,
    folder: TempDir,
    program: PathBuf,
    ports: BTreeMap<&'static str, u16>,
}

impl Receiver {
    /// Builds it, unless it is up to date, and starts it.
    ///
    /// # Panics
    ///
    /// If it does not build or start.
    pub fn start() -> Self {
        let name = "otel-enhance-receiver";
        let program = program_with(name, name, "tracezip");
        let folder = tempfile::Builder::new()
            .prefix("receiver-")
            .tempdir()
            .expect("a temporary folder");
        let ports = BTreeMap::from([("http", ports::free()), ("grpc", ports::free())]);
        let running = run(&program, &folder, &ports);
        Self {
            running,
            folder,
            program,
            ports,
        }
    }

    /// Where it takes OTLP over HTTP, without `/v1/traces`.
    pub fn http_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports["http"])
    }

    /// Where it takes OTLP over gRPC.
    pub fn grpc_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports["grpc"])
    }

    /// Ends it at once, by SIGKILL.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Starts it again after [`kill`](Self::kill).
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_again(&mut self) {
        self.running.kill();
        self.running = run(&self.program, &self.folder, &self.ports);
    }

    /// Bytes that it has recorded.
    pub fn recorded_bytes(&self) -> u64 {
        std::fs::metadata(self.folder.path().join("record")).map_or(0, |file| file.len())
    }

    /// What it has recorded.
    ///
    /// # Panics
    ///
    /// If the file cannot be read.
    pub fn spans(&self) -> Vec<CollectedSpan> {
        let requests = read_records(self.folder.path().join("record"))
            .expect("the receiver's file holds requests");
        let data = requests.into_iter().map(|request| TracesData {
            resource_spans: request.resource_spans,
        });
        data.flat_map(flatten).collect()
    }
}

fn run(program: &PathBuf, folder: &TempDir, ports: &BTreeMap<&'static str, u16>) -> Running {
    let mut command = Command::new(program);
    for (protocol, port) in ports {
        command
            .arg(format!("--{protocol}"))
            .arg(format!("127.0.0.1:{port}"));
    }
    command.arg("--record").arg(folder.path().join("record"));
    // What does not speak tracezip does not notice.
    command.arg("--tracezip");
    let ready = |output: &str| (output.contains("http=") && output.contains("grpc=")).then_some(());
    match Running::start(
        "the receiver",
        &mut command,
        folder.path().join("log"),
        ready,
    ) {
        Ok((running, ())) => running,
        Err(EndedEarly(output)) => panic!("the receiver did not start; it said:\n{output}"),
    }
}
