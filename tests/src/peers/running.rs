//! A peer's process: started, waited for, stopped in either way, its output kept.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a peer may take to be ready, on a machine that compiles something meanwhile.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a peer may take to end when it was asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Where in the log this process began: an earlier one may have written before.
    from: usize,
}

/// The process ended before it was ready; what it printed.
#[derive(Debug)]
pub(super) struct EndedEarly(pub(super) String);

impl Running {
    /// Starts `command` and waits until `ready` finds what it looks for in the output.
    pub(super) fn start<T>(
        name: &'static str,
        command: &mut Command,
        log: PathBuf,
        ready: impl Fn(&str) -> Option<T>,
    ) -> Result<(Self, T), EndedEarly> {
        let file = || {
            File::options()
                .create(true)
                .append(true)
                .open(&log)
                .expect("the log can be opened")
        };
        let from = std::fs::read(&log).map_or(0, |earlier| earlier.len());
        // Variables for OpenTelemetry are for the test's own process.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("OTEL_") {
                command.env_remove(variable);
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let mut running = Self {
            name,
            child,
            log,
            from,
        };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // Asked before the output is read: what a process wrote is there when it has ended.
            let ended = running.ended();
            if let Some(found) = ready(&running.output()) {
                return Ok((running, found));
            }
            if ended.is_some() {
                return Err(EndedEarly(running.output()));
            }
            assert!(
                Instant::now() < deadline,
                "{name} was not ready after {START_TIMEOUT:?}; it said:\n{}",
                running.output()
            );
            std::thread::sleep(POLL);
        }
    }

    /// What the process printed so far, on both of its streams.
    pub(super) fn output(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(log.get(self.from..).unwrap_or_default()).into_owned()
    }

    /// Asks it to end, by SIGTERM, and waits until it did.
    pub(super) fn terminate(&mut self) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        kill_process(self.pid(), Signal::TERM)
            .unwrap_or_else(|error| panic!("{} cannot be sent SIGTERM: {error}", self.name));
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} did not end within {STOP_TIMEOUT:?} of SIGTERM; it said:\n{}",
                self.name,
                self.output()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Ends it at once, by SIGKILL.
    pub(super) fn kill(&mut self) {
        // An error means that it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .unwrap_or_else(|error| panic!("{} cannot be waited for: {error}", self.name))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    #[expect(
        clippy::print_stderr,
        reason = "a failing test shows what its peers said"
    )]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- {} said:\n{}", self.name, self.output());
        }
    }
}
