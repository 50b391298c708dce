//! Starts the small programs of the trap and exit tests, each with an environment of its own.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use otel_enhance_receiver::{BlockingReceiver, Receiver, ReceiverBuilder, Store};

/// A program that takes longer is stuck, however busy the machine is.
const STUCK: Duration = Duration::from_secs(60);

/// A program about to start.
#[derive(Debug)]
pub struct Program(Command);

/// One of the two sides that a trap is shown on.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    /// The official SDK by itself.
    Plain,
    /// The same through our pipeline.
    Ours,
}

/// A receiver on loopback, and what it was sent.
#[derive(Debug)]
pub struct Inbox {
    /// What came.
    pub store: Store,
    endpoint: String,
    _receiver: BlockingReceiver,
}

impl Inbox {
    /// Over HTTP.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn http() -> io::Result<Self> {
        Self::start(|builder| builder.with_http("127.0.0.1:0"))
    }

    /// Over gRPC.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn grpc() -> io::Result<Self> {
        Self::start(|builder| builder.with_grpc("127.0.0.1:0"))
    }

    fn start(with: impl FnOnce(ReceiverBuilder) -> ReceiverBuilder) -> io::Result<Self> {
        let store = Store::new();
        let receiver = with(Receiver::builder().with_handler(store.clone()))
            .start_blocking()
            .map_err(io::Error::other)?;
        let endpoint = receiver.http_endpoint().or(receiver.grpc_endpoint());
        Ok(Self {
            store,
            endpoint: endpoint.unwrap_or_default().to_owned(),
            _receiver: receiver,
        })
    }

    /// Its URL.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Program {
    /// The program `executable` with the case `name`. Of the environment it gets what is set by
    /// [`Program::env`], and nothing else.
    pub fn new(executable: impl AsRef<Path>, name: &str, side: Side) -> Self {
        let mut command = Command::new(executable.as_ref());
        command
            .arg(name)
            .arg(match side {
                Side::Plain => "plain",
                Side::Ours => "ours",
            })
            .env_clear()
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(command)
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Lets it send to `inbox`, by the environment.
    #[must_use]
    pub fn sending_to(self, inbox: &Inbox) -> Self {
        self.env("OTEL_EXPORTER_OTLP_ENDPOINT", inbox.endpoint())
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(mut self) -> io::Result<Running> {
        let mut child = self.0.spawn()?;
        let (lines, received) = mpsc::channel();
        let stdout = child.stdout.take();
        let stdout = thread::spawn(move || {
            let mut all = Vec::new();
            for line in stdout
                .into_iter()
                .flat_map(|out| BufReader::new(out).lines())
            {
                let Ok(line) = line else { break };
                // The test may have stopped listening.
                let _ = lines.send(line.clone());
                all.push(line);
            }
            all
        });
        let stderr = child.stderr.take();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            if let Some(mut err) = stderr {
                let _ = err.read_to_string(&mut text);
            }
            text
        });
        Ok(Running {
            child,
            lines: received,
            stdout,
            stderr,
        })
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or does not end.
    pub fn run(self) -> io::Result<Ran> {
        self.start()?.finish()
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    stdout: JoinHandle<Vec<String>>,
    stderr: JoinHandle<String>,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has written `line`.
    ///
    /// # Errors
    ///
    /// If it ends or hangs first.
    pub fn wait_for(&self, line: &str) -> io::Result<()> {
        let deadline = Instant::now() + STUCK;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(read) if read == line => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    return Err(io::Error::other(format!("no line `{line}`: {error}")));
                }
            }
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If it does not end.
    pub fn finish(mut self) -> io::Result<Ran> {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if started.elapsed() > STUCK {
                self.child.kill()?;
                self.child.wait()?;
                return Err(io::Error::other("the program hangs"));
            }
            thread::sleep(Duration::from_millis(2));
        };
        let took = started.elapsed();
        let lost = |_| io::Error::other("a reader of the program's output panicked");
        let lines = self.stdout.join().map_err(lost)?;
        let stderr = self.stderr.join().map_err(lost)?;
        let facts = lines
            .iter()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Ran {
            status,
            took,
            facts,
            stderr,
        })
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// How long it ran after [`Running::finish`] was called.
    pub took: Duration,
    /// The lines `name=value` that it wrote.
    pub facts: BTreeMap<String, String>,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Ran {
    /// A fact in words, or nothing.
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }

    /// A fact as a number.
    ///
    /// # Panics
    ///
    /// If there is no such number: the program did not get that far.
    #[expect(clippy::panic, reason = "a test that called it has failed")]
    pub fn number(&self, name: &str) -> u64 {
        match self.fact(name).parse() {
            Ok(number) => number,
            Err(_) => panic!("no number `{name}`: {self:#?}"),
        }
    }
}
