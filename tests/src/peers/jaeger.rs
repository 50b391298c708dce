//! Jaeger, a trace backend with a query API.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::TracesData;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http;
use super::locate::{Built, locate};
use super::ports;
use super::running::{EndedEarly, Running};
use crate::collector_file::{CollectedSpan, flatten};

const ATTEMPTS: u32 = 5;

/// A Jaeger that keeps its traces in memory.
#[derive(Debug)]
pub struct Jaeger {
    // Dropped, and so stopped, before the folder goes.
    _running: Running,
    _folder: TempDir,
    ports: Ports,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    grpc: u16,
    query: u16,
    query_grpc: u16,
}

impl Jaeger {
    /// Starts it and returns once it serves.
    ///
    /// # Panics
    ///
    /// If it was not built or does not start, with what it said.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("jaeger-")
            .tempdir()
            .expect("a temporary folder");
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let ports = Ports {
                http: ports::free(),
                grpc: ports::free(),
                query: ports::free(),
                query_grpc: ports::free(),
            };
            let config = configuration(ports).to_string();
            std::fs::write(folder.path().join("config.yaml"), config)
                .expect("the folder can be written");
            match run(folder.path()) {
                Ok(running) => {
                    return Self {
                        _running: running,
                        _folder: folder,
                        ports,
                    };
                }
                Err(EndedEarly(output)) if output.contains("address already in use") => {
                    said = output
                }
                Err(EndedEarly(output)) => panic!("Jaeger did not start; it said:\n{output}"),
            }
        }
        panic!("Jaeger found no free ports in {ATTEMPTS} attempts; it said:\n{said}");
    }

    /// Where it takes OTLP over HTTP, without `/v1/traces`.
    pub fn http_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.http)
    }

    /// Where it takes OTLP over gRPC.
    pub fn grpc_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.grpc)
    }

    /// Where its query API is.
    pub fn query_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.query)
    }

    /// The names of the services it has spans of.
    ///
    /// # Panics
    ///
    /// If it does not answer as documented.
    pub fn services(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Services {
            // `null` while there are none.
            data: Option<Vec<String>>,
        }
        let url = format!("{}/api/services", self.query_endpoint());
        http::get(&url, &[])
            .json::<Services>()
            .data
            .unwrap_or_default()
    }

    /// The ids of the latest traces that `service` has part in, in hexadecimal.
    ///
    /// # Panics
    ///
    /// If it does not answer as documented.
    pub fn traces_of(&self, service: &str) -> Vec<String> {
        #[derive(Deserialize)]
        struct Traces {
            data: Option<Vec<Trace>>,
        }
        #[derive(Deserialize)]
        struct Trace {
            #[serde(rename = "traceID")]
            id: String,
        }
        let service =
            percent_encoding::utf8_percent_encode(service, percent_encoding::NON_ALPHANUMERIC);
        let url = format!(
            "{}/api/traces?service={service}&limit=1000&start=0",
            self.query_endpoint()
        );
        let traces = http::get(&url, &[])
            .json::<Traces>()
            .data
            .unwrap_or_default();
        traces.into_iter().map(|trace| trace.id).collect()
    }

    /// Those ids once there are at least `count`, or those there are after `timeout`: assert on
    /// their number.
    ///
    /// # Panics
    ///
    /// As [`traces_of`](Self::traces_of).
    pub fn wait_for_traces_of(
        &self,
        service: &str,
        count: usize,
        timeout: Duration,
    ) -> Vec<String> {
        wait(
            timeout,
            || self.traces_of(service),
            |traces| traces.len() >= count,
        )
    }

    /// The spans of one trace, its id in hexadecimal; none while Jaeger does not know it.
    ///
    /// # Panics
    ///
    /// If it does not answer as documented.
    pub fn trace(&self, id: &str) -> Vec<CollectedSpan> {
        #[derive(Deserialize)]
        struct Found {
            result: TracesData,
        }
        let answer = http::get(
            &format!("{}/api/v3/traces/{id}", self.query_endpoint()),
            &[],
        );
        match answer.status {
            404 => Vec::new(),
            _ => flatten(answer.json::<Found>().result),
        }
    }

    /// The spans of one trace once Jaeger has at least `count` of them, or those there are after
    /// `timeout`: assert on their number.
    ///
    /// # Panics
    ///
    /// As [`trace`](Self::trace).
    pub fn wait_for_trace(&self, id: &str, count: usize, timeout: Duration) -> Vec<CollectedSpan> {
        wait(timeout, || self.trace(id), |spans| spans.len() >= count)
    }
}

/// Asks again and again, until it is `enough` or `timeout` is over.
fn wait<T>(timeout: Duration, ask: impl Fn() -> T, enough: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        let answer = ask();
        if enough(&answer) || Instant::now() >= deadline {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn run(folder: &Path) -> Result<Running, EndedEarly> {
    let mut command = Command::new(locate(Built::Jaeger));
    command.arg("--config").arg(folder.join("config.yaml"));
    let ready = |output: &str| output.contains("Everything is ready").then_some(());
    Running::start("Jaeger", &mut command, folder.join("log"), ready).map(|(running, ())| running)
}

fn configuration(ports: Ports) -> Value {
    let endpoint = |port: u16| json!({ "endpoint": format!("127.0.0.1:{port}") });
    json!({
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": { "receivers": ["otlp"], "processors": ["batch"], "exporters": ["jaeger_storage_exporter"] },
            },
            "telemetry": { "metrics": { "level": "none" } },
        },
        "extensions": {
            "jaeger_query": {
                "storage": { "traces": "memory" },
                "http": endpoint(ports.query),
                "grpc": endpoint(ports.query_grpc),
            },
            "jaeger_storage": { "backends": { "memory": { "memory": { "max_traces": 10_000 } } } },
        },
        "receivers": { "otlp": { "protocols": { "grpc": endpoint(ports.grpc), "http": endpoint(ports.http) } } },
        "processors": { "batch": { "timeout": "100ms" } },
        "exporters": { "jaeger_storage_exporter": { "trace_storage": "memory" } },
    })
}
