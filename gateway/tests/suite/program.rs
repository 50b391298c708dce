//! The program, as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A running gateway. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_otel-enhance-gateway"))
}

impl Program {
    /// Starts it with a configuration, and waits until it listens.
    pub(crate) fn start(yaml: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        Self::run(command().arg("--config").arg(file.path()))
    }

    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let mut program = Self {
            child,
            log,
            reader: Some(reader),
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        // The one that is told last.
        while program.address("admin").is_none() {
            assert!(Instant::now() < deadline, "{:?}", program.log());
            assert!(
                program.child.try_wait().unwrap().is_none(),
                "{:?}",
                program.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        program
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Where it listens for something.
    pub(crate) fn address(&self, transport: &str) -> Option<SocketAddr> {
        let wanted = format!("transport={transport} address=");
        self.log().iter().find_map(|line| {
            let (_, address) = line.split_once(&wanted)?;
            address.trim().parse().ok()
        })
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = i32::try_from(self.child.id()).unwrap();
        // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
        #[expect(unsafe_code, reason = "the standard library sends SIGKILL alone")]
        let sent = unsafe { libc::kill(id, libc::SIGTERM) };
        assert_eq!(sent, 0);
    }

    /// Waits for its end, and for the last line of its log.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        status
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
