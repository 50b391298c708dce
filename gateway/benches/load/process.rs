//! Processes whose CPU time and memory are read from `/proc`.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// A process that is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    admin: Option<String>,
    _folder: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Process {
    /// A gateway, and where it takes OTLP over HTTP.
    pub(crate) async fn gateway(head: &str, output: &str) -> (String, Self) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.yaml");
        let yaml = format!(
            "{head}
receivers: {{ http: 127.0.0.1:0, grpc: off }}
admin: {{ address: 127.0.0.1:0 }}
outputs:
{output}
"
        );
        std::fs::write(&path, yaml).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_otel-enhance-gateway"))
            .arg("--config")
            .arg(path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut address = |transport: &str| {
            let wanted = format!("transport={transport} address=");
            let found = lines.by_ref().map_while(Result::ok).find_map(|line| {
                let (_, address) = line.split_once(&wanted)?;
                Some(format!("http://{address}"))
            });
            found.unwrap()
        };
        let (http, admin) = (address("http"), address("admin"));
        // What it says from now on is read, so that it is never stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let process = Self {
            child,
            admin: Some(admin),
            _folder: folder,
        };
        (http, process)
    }

    /// A Collector that acknowledges what its destination took, as the gateway does.
    pub(crate) async fn collector(path: &str, sink: &str, compression: &str) -> (String, Self) {
        let folder = tempfile::tempdir().unwrap();
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let config = folder.path().join("config.yaml");
        let yaml = format!(
            "receivers: {{ otlp: {{ protocols: {{ http: {{ endpoint: '127.0.0.1:{port}' }} }} }} }}
exporters:
  otlp: {{ endpoint: '{sink}', tls: {{ insecure: true }}, compression: {compression}, sending_queue: {{ enabled: false }} }}
service:
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines: {{ traces: {{ receivers: [otlp], exporters: [otlp] }} }}
"
        );
        std::fs::write(&config, yaml).unwrap();
        let child = Command::new(path)
            .arg("--config")
            .arg(config)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let process = Self {
            child,
            admin: None,
            _folder: folder,
        };
        for _ in 0..400 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        (format!("http://127.0.0.1:{port}"), process)
    }

    /// User and system time so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // What follows the name, which may have blanks in it, begins with the third field.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }

    fn status(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024.0
    }

    pub(crate) fn peak_mib(&self) -> f64 {
        self.status("VmHWM:")
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// A metric of a gateway, by the beginning of its line.
    pub(crate) async fn metric(&self, start: &str) -> u64 {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let url = format!("{}/metrics", self.admin.as_deref().unwrap());
        let response = client.get(url.parse().unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let start = format!("otel_enhance_gateway_{start}");
        let text = String::from_utf8_lossy(&body);
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}
