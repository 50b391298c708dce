//! Tests in a process of their own: telemetry is installed once for a process, and a test that sets
//! the environment must not set that of others.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose process fails has failed"
)]

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Set in the process of one test, to its name.
const MARK: &str = "OTEL_ENHANCE_TEST_ALONE";

/// Longer than any test takes, however busy the machine is.
const STUCK: Duration = Duration::from_secs(170);

/// Runs `body` in a process of its own, with these `OTEL_*` variables and no others.
///
/// `test` is the name of the calling test, with its modules: the process is this executable once
/// more, asked for that test. Whatever the test does outside of `body` happens in both processes;
/// the result tells them apart: it is true in the one that waited, and false in that of `body`.
///
/// # Panics
///
/// If the test of that name fails there, does not end, or does not exist.
pub fn alone(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> bool {
    if std::env::var(MARK).is_ok_and(|marked| marked == test) {
        body();
        return false;
    }
    let mut command = Command::new(std::env::current_exe().expect("this executable has a path"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(variable);
        }
    }
    let mut child = command
        // Whether or not the calling test is usually ignored: it runs, so this one shall.
        .args([test, "--exact", "--include-ignored", "--nocapture"])
        .env(MARK, test)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this executable can be started again");
    let stdout = read(child.stdout.take());
    let stderr = read(child.stderr.take());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the process can be waited for") {
            break Some(status);
        }
        if started.elapsed() > STUCK {
            child.kill().ok();
            child.wait().ok();
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let stdout = stdout.join().expect("the reader does not panic");
    let stderr = stderr.join().expect("the reader does not panic");
    let Some(status) = status else {
        panic!("{test} does not end:\n{stdout}\n{stderr}");
    };
    assert!(
        status.success() && stdout.contains("test result: ok. 1 passed"),
        "{test} by itself: {status}\n{stdout}\n{stderr}"
    );
    true
}

fn read(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).ok();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
