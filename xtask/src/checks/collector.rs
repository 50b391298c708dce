//! The real Collector, which writes what it receives into files.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// How long a peer may take to be ready, and to write what it got.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Ends with its variable.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// It listens for traces and profiles.
pub(super) struct Collector {
    /// Where it listens for OTLP over HTTP, and over gRPC.
    pub(super) http: String,
    pub(super) grpc: String,
    folder: PathBuf,
    _running: Running,
}

impl Collector {
    /// Starts it with its files in `folder`.
    pub(super) fn start(program: &Path, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let (http, grpc) = (address()?, address()?);
        let exporter = |name: &str| json!({ "path": folder.join(name), "flush_interval": "100ms" });
        let config = json!({
            "receivers": { "otlp": { "protocols": {
                "http": { "endpoint": http },
                "grpc": { "endpoint": grpc },
            } } },
            "exporters": {
                "file/traces": exporter("traces.json"),
                "file/profiles": exporter("profiles.json"),
            },
            "service": {
                "telemetry": { "metrics": { "level": "none" } },
                "pipelines": {
                    "traces": { "receivers": ["otlp"], "exporters": ["file/traces"] },
                    "profiles": { "receivers": ["otlp"], "exporters": ["file/profiles"] },
                },
            },
        });
        let path = folder.join("config.yaml");
        fs::write(&path, config.to_string()).map_err(Error::io("write", &path))?;
        let log = folder.join("collector.log");
        let said = fs::File::create(&log).map_err(Error::io("write", &log))?;
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(&path)
            .arg("--feature-gates=+service.profilesSupport")
            .stdout(Stdio::null())
            .stderr(said);
        let running = Running(command.spawn().map_err(Error::io("start", program))?);
        wait_until("the Collector listens", || {
            Ok(TcpStream::connect(&http).is_ok())
        })?;
        Ok(Self {
            http,
            grpc,
            folder: folder.to_owned(),
            _running: running,
        })
    }

    /// The requests for traces that it received.
    pub(super) fn traces(&self) -> Result<Vec<Value>> {
        lines(&self.folder.join("traces.json"))
    }

    /// The requests for profiles that it received.
    pub(super) fn profiles(&self) -> Result<Vec<Value>> {
        lines(&self.folder.join("profiles.json"))
    }

    /// Every span that it received.
    pub(super) fn spans(&self) -> Result<Vec<Value>> {
        let mut spans = Vec::new();
        for request in self.traces()? {
            collect(&request, "spans", &mut |list| {
                spans.extend(list.as_array().into_iter().flatten().cloned());
            });
        }
        Ok(spans)
    }

    /// What it said, for whoever wants to know why something is missing.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("collector.log")).unwrap_or_default()
    }
}

/// An address that nobody listens at.
fn address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    let address = address.map_err(Error::io("bind", "127.0.0.1:0"))?;
    Ok(address.to_string())
}

/// Asks until it is so, or has to be by now.
pub(super) fn wait_until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > deadline {
            return Err(Error::Check(format!("not within {PATIENCE:?}: {what}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let parsed = text
        .lines()
        .map(serde_json::from_str)
        .collect::<serde_json::Result<_>>();
    parsed.map_err(|error| Error::Check(format!("{}: {error}", path.display())))
}

/// Calls `visit` with each value of this name, however deep.
fn collect(value: &Value, name: &str, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == name {
                    visit(value);
                }
                collect(value, name, visit);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, name, visit)),
        _ => {}
    }
}
