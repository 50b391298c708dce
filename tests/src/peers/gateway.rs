//! This workspace's own gateway as a process.

use std::net::SocketAddr;
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use super::http;
use super::running::{EndedEarly, Running};
use crate::programs::program;

/// `otel-enhance-gateway` on ports of its own.
#[derive(Debug)]
pub struct Gateway {
    running: Running,
    // Goes when the process has.
    _folder: TempDir,
    addresses: Addresses,
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    http: SocketAddr,
    grpc: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    /// Builds it, unless it is up to date, and starts it with options such as `--forward-to URL`.
    ///
    /// # Panics
    ///
    /// If it does not build or start.
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("gateway-")
            .tempdir()
            .expect("a temporary folder");
        let mut command = Command::new(program("otel-enhance-gateway", "otel-enhance-gateway"));
        for listener in ["--http", "--grpc", "--admin"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        command.args(options).current_dir(folder.path());
        let ready = |output: &str| {
            Some(Addresses {
                http: address(output, "http")?,
                grpc: address(output, "grpc")?,
                admin: address(output, "admin")?,
            })
        };
        match Running::start(
            "the gateway",
            &mut command,
            folder.path().join("log"),
            ready,
        ) {
            Ok((running, addresses)) => Self {
                running,
                _folder: folder,
                addresses,
            },
            Err(EndedEarly(output)) => panic!("the gateway did not start; it said:\n{output}"),
        }
    }

    /// Where it takes OTLP over HTTP, without `/v1/traces`.
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.addresses.http)
    }

    /// Where it takes OTLP over gRPC, as SDKs want it.
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.addresses.grpc)
    }

    /// The same as another gateway wants it.
    pub fn gateway_endpoint(&self) -> String {
        format!("grpc://{}", self.addresses.grpc)
    }

    /// A metric of its own, by the beginning of its line.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn metric(&self, start: &str) -> u64 {
        let url = format!("http://{}/metrics", self.addresses.admin);
        let answer = http::get(&url, &[]);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let start = format!("otel_enhance_gateway_{start}");
        text.lines()
            .find(|line| line.starts_with(&start))
            .and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no {start} in\n{text}"))
    }

    /// Asks it to end, by SIGTERM, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        self.running.terminate()
    }
}

fn address(output: &str, transport: &str) -> Option<SocketAddr> {
    let wanted = format!("transport={transport} address=");
    output.lines().find_map(|line| {
        let (_, address) = line.split_once(&wanted)?;
        address.trim().parse().ok()
    })
}
