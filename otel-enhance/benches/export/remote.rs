//! What is sent to: our receiver, or a Collector, in a process with a core of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::process;

pub(crate) struct Remote {
    child: Child,
    /// How to tell a latency; a Collector takes the time that it takes.
    ours: Option<(ChildStdin, BufReader<ChildStdout>)>,
    pub(crate) http: String,
    pub(crate) grpc: String,
}

impl Remote {
    pub(crate) fn receiver() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg("--receiver")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the receiver");
        let latency = child.stdin.take().expect("its stdin");
        let mut said = BufReader::new(child.stdout.take().expect("its stdout"));
        let mut line = String::new();
        said.read_line(&mut line).expect("its addresses");
        let (http, grpc) = line.trim_end().split_once(' ').expect("two addresses");
        Self {
            child,
            http: http.to_owned(),
            grpc: grpc.to_owned(),
            ours: Some((latency, said)),
        }
    }

    /// A Collector that receives OTLP, parses it, and throws it away but for a line a batch.
    pub(crate) fn collector(program: &Path) -> Self {
        let ports: Vec<_> = (0..2)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
            .collect();
        let [http, grpc] = [0, 1].map(|at: usize| ports[at].local_addr().expect("an address"));
        drop(ports);
        let config = format!(
            "yaml:{{receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}, grpc: {{endpoint: '{grpc}'}}}}}}}}, \
            exporters: {{debug: {{verbosity: basic}}}}, \
            service: {{telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}, \
            pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}}}}}"
        );
        // A process runs where the thread that starts it does.
        let start = || {
            process::pin(true);
            Command::new(program)
                .args(["--config", &config])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        };
        let child = thread::scope(|scope| scope.spawn(start).join().expect("a thread"));
        let mut child = child.expect("the Collector");
        while TcpStream::connect(http).is_err() || TcpStream::connect(grpc).is_err() {
            let ended = child.try_wait().expect("its state");
            assert!(ended.is_none(), "the Collector ended: {ended:?}");
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            child,
            http: format!("http://{http}"),
            grpc: format!("http://{grpc}"),
            ours: None,
        }
    }

    /// Has each request take so long; whether it can.
    pub(crate) fn set_latency(&mut self, milliseconds: u8) -> bool {
        let Some((latency, said)) = &mut self.ours else {
            return milliseconds == 0;
        };
        latency.write_all(&[milliseconds]).expect("its stdin");
        let mut line = String::new();
        said.read_line(&mut line).expect("its answer");
        true
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
