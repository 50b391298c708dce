//! The OpenTelemetry Collector.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::locate::{Built, locate};
use super::ports;
use super::running::{EndedEarly, Running};
use crate::collector_file::{self, CollectedSpan};

/// How often another pair of ports is tried.
const ATTEMPTS: u32 = 5;

/// A Collector that receives OTLP over HTTP and gRPC and writes every span to files.
#[derive(Debug)]
pub struct Collector {
    running: Option<Running>,
    folder: TempDir,
    ports: Ports,
    scheme: &'static str,
}

/// How a [`Collector`] is to be configured.
#[derive(Debug, Default)]
pub struct CollectorBuilder {
    tls: Option<Value>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    grpc: u16,
}

impl CollectorBuilder {
    /// Serves TLS on both protocols, by a certificate and its key in PEM files.
    #[must_use]
    pub fn with_tls(mut self, certificate: &Path, key: &Path) -> Self {
        self.tls = Some(json!({ "cert_file": certificate, "key_file": key }));
        self
    }

    /// Serves mutual TLS: clients show a certificate that `authority`, a PEM file, has signed.
    #[must_use]
    pub fn with_mutual_tls(mut self, certificate: &Path, key: &Path, authority: &Path) -> Self {
        self.tls =
            Some(json!({ "cert_file": certificate, "key_file": key, "client_ca_file": authority }));
        self
    }

    /// Starts it and returns once it serves.
    ///
    /// # Panics
    ///
    /// If it was not built or does not start, with what it said.
    pub fn start(self) -> Collector {
        let folder = tempfile::Builder::new()
            .prefix("collector-")
            .tempdir()
            .expect("a temporary folder");
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let ports = Ports {
                http: ports::free(),
                grpc: ports::free(),
            };
            // YAML includes JSON, which is quoted by rules that a program can follow.
            let config = configuration(folder.path(), ports, self.tls.as_ref());
            std::fs::write(folder.path().join("config.yaml"), config.to_string())
                .expect("the folder can be written");
            match run(folder.path()) {
                Ok(running) => {
                    return Collector {
                        running: Some(running),
                        folder,
                        ports,
                        scheme,
                    };
                }
                Err(EndedEarly(output)) if output.contains("address already in use") => {
                    said = output
                }
                Err(EndedEarly(output)) => {
                    panic!("the Collector did not start; it said:\n{output}")
                }
            }
        }
        panic!("the Collector found no free ports in {ATTEMPTS} attempts; it said:\n{said}");
    }
}

impl Collector {
    /// A Collector that serves in plain text.
    ///
    /// # Panics
    ///
    /// As [`CollectorBuilder::start`].
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// For one that serves TLS.
    pub fn builder() -> CollectorBuilder {
        CollectorBuilder::default()
    }

    /// `http://127.0.0.1:PORT` or `https://…`, without `/v1/traces`: what
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` takes.
    pub fn http_endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.ports.http)
    }

    /// The endpoint of gRPC, in the same form.
    pub fn grpc_endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.ports.grpc)
    }

    /// What the file exporter writes as JSON.
    pub fn json_file(&self) -> PathBuf {
        self.folder.path().join("out.json")
    }

    /// What the file exporter writes as protobuf.
    pub fn proto_file(&self) -> PathBuf {
        self.folder.path().join("out.pb")
    }

    /// The spans written so far, from the JSON file.
    ///
    /// # Panics
    ///
    /// If the file cannot be read.
    pub fn spans(&self) -> Vec<CollectedSpan> {
        collector_file::read_json(&self.json_file()).expect("the Collector's file holds spans")
    }

    /// The spans once at least `count` are written, or those there are after `timeout`: assert
    /// on their number.
    ///
    /// # Panics
    ///
    /// If the file cannot be read.
    pub fn wait_for_spans(&self, count: usize, timeout: Duration) -> Vec<CollectedSpan> {
        let deadline = Instant::now() + timeout;
        loop {
            let spans = self.spans();
            if spans.len() >= count || Instant::now() >= deadline {
                return spans;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it printed since it was last started.
    pub fn log(&self) -> String {
        self.running
            .as_ref()
            .map(Running::output)
            .unwrap_or_default()
    }

    /// Asks it to end, by SIGTERM, and waits until it has: what it accepted is in the files then.
    ///
    /// `None` if it was stopped already.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.running.take().map(|mut running| running.terminate())
    }

    /// Ends it at once, by SIGKILL: what it held in memory is lost.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill): on the same ports, and
    /// what it receives is appended to the same files.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_again(&mut self) {
        self.kill();
        match run(self.folder.path()) {
            Ok(running) => self.running = Some(running),
            Err(EndedEarly(output)) => {
                panic!("the Collector did not start again; it said:\n{output}")
            }
        }
    }
}

fn run(folder: &Path) -> Result<Running, EndedEarly> {
    let mut command = Command::new(locate(Built::Collector));
    command.arg("--config").arg(folder.join("config.yaml"));
    let ready = |output: &str| output.contains("Everything is ready").then_some(());
    Running::start("the Collector", &mut command, folder.join("log"), ready)
        .map(|(running, ())| running)
}

fn configuration(folder: &Path, ports: Ports, tls: Option<&Value>) -> Value {
    let protocol = |port: u16| {
        let mut protocol = json!({ "endpoint": format!("127.0.0.1:{port}") });
        if let Some(tls) = tls {
            protocol["tls"] = tls.clone();
        }
        protocol
    };
    json!({
        "receivers": { "otlp": { "protocols": { "grpc": protocol(ports.grpc), "http": protocol(ports.http) } } },
        "processors": {
            "batch": { "timeout": "100ms" },
            "memory_limiter": { "check_interval": "1s", "limit_mib": 256 },
        },
        "exporters": {
            "file/json": { "path": folder.join("out.json"), "flush_interval": "100ms", "append": true },
            "file/proto": {
                "path": folder.join("out.pb"), "format": "proto", "flush_interval": "100ms", "append": true,
            },
        },
        "service": {
            "telemetry": { "metrics": { "level": "none" } },
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["file/json", "file/proto"],
                },
            },
        },
    })
}
