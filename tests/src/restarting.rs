//! The receiver as a program that records before it answers, and that can be killed.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose receiver fails has failed"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use otel_enhance_receiver::read_records;
use tempfile::TempDir;

/// `otel-enhance-receiver --record FILE`, on the same ports and with the same file after each start.
#[derive(Debug)]
pub struct RecordingReceiver {
    program: PathBuf,
    folder: TempDir,
    http: String,
    grpc: String,
    running: Option<(Child, BufReader<ChildStdout>)>,
}

impl RecordingReceiver {
    /// Starts `program` on free ports of loopback.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(program: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("receiver-")
            .tempdir()
            .expect("a temporary folder");
        let mut receiver = Self {
            program: program.to_owned(),
            folder,
            http: "127.0.0.1:0".to_owned(),
            grpc: "127.0.0.1:0".to_owned(),
            running: None,
        };
        receiver.start_again();
        receiver
    }

    /// Starts it where it was before it was killed.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start_again(&mut self) {
        let mut child = Command::new(&self.program)
            .args(["--http", &self.http, "--grpc", &self.grpc, "--record"])
            .arg(self.record())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the receiver can be started");
        let stdout = child.stdout.take().expect("its output is piped");
        let mut stdout = BufReader::new(stdout);
        self.http = address(&mut stdout, "http=");
        self.grpc = address(&mut stdout, "grpc=");
        self.running = Some((child, stdout));
    }

    /// Kills it by SIGKILL: what it has not recorded by now is lost to it.
    ///
    /// # Panics
    ///
    /// If it is not running, or has ended by itself.
    pub fn kill(&mut self) {
        let (mut child, _) = self.running.take().expect("the receiver runs");
        let ended = child.try_wait().expect("the receiver can be waited for");
        assert!(ended.is_none(), "the receiver ended by itself: {ended:?}");
        child.kill().expect("the receiver can be killed");
        child.wait().expect("the receiver can be waited for");
    }

    /// The base URL for HTTP.
    pub fn http(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The URL for gRPC.
    pub fn grpc(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Bytes in the record so far.
    pub fn recorded_bytes(&self) -> u64 {
        std::fs::metadata(self.record()).map_or(0, |file| file.len())
    }

    /// How often the record has each span id.
    ///
    /// # Panics
    ///
    /// If the record cannot be read.
    pub fn arrivals(&self) -> BTreeMap<Vec<u8>, u64> {
        let requests = read_records(self.record())
            .unwrap_or_else(|error| panic!("the record cannot be read: {error}"));
        let mut arrivals = BTreeMap::new();
        let of_resources = requests
            .into_iter()
            .flat_map(|request| request.resource_spans);
        for span in of_resources
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
        {
            *arrivals.entry(span.span_id).or_default() += 1;
        }
        arrivals
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("record.otlp")
    }
}

impl Drop for RecordingReceiver {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.running {
            // An error means that it has ended already.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn address(stdout: &mut BufReader<ChildStdout>, prefix: &str) -> String {
    let mut line = String::new();
    stdout
        .read_line(&mut line)
        .expect("the receiver's output is text");
    line.trim()
        .strip_prefix(prefix)
        .unwrap_or_else(|| panic!("the receiver said `{line}` and not `{prefix}…`"))
        .to_owned()
}
