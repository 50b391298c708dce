//! Running other programs: what they inherit, what is shown, and what a failure says.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Lines of a failed program's log that are worth showing.
const LOG_TAIL_LINES: usize = 40;

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command with a clean environment.
///
/// Our own tests are about `OTEL_*` variables, so the developer's must not reach them. What
/// `cargo run` sets for this very program goes too: build scripts that watch such variables
/// would otherwise run anew at every switch between `cargo test` and `cargo xtask test`.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        let ours = text.starts_with("OTEL_ENHANCE_");
        let telemetry = text.starts_with("OTEL_") && !ours;
        let package = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
            "CARGO_PRIMARY_",
        ]
        .iter()
        .any(|prefix| text.starts_with(prefix));
        if telemetry || package {
            command.env_remove(&variable);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs it with its output on our own streams, its command line above.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    let line = line(command);
    println!("$ {line}");
    let status = command.status().map_err(|source| Error::Start {
        command: line.clone(),
        source,
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        command: line,
        status,
        output: String::new(),
    })
}

/// Runs it and returns what it printed to standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command.output().map_err(|source| Error::Start {
        command: line.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Failed {
        command: line,
        status: output.status,
        output: tail(&String::from_utf8_lossy(&output.stderr)),
    })
}

/// Runs it in the background of everything else, with all it prints appended to `log`.
pub(crate) fn quietly(command: &mut Command, log: &Path) -> Result<()> {
    let line = line(command);
    let open = || File::options().create(true).append(true).open(log);
    let out = open().map_err(Error::io("open", log))?;
    let err = open().map_err(Error::io("open", log))?;
    let status = command
        .stdout(out)
        .stderr(err)
        .status()
        .map_err(|source| Error::Start {
            command: line.clone(),
            source,
        })?;
    if status.success() {
        return Ok(());
    }
    let text = std::fs::read(log).map_err(Error::io("read", log))?;
    Err(Error::Failed {
        command: line,
        status,
        output: tail(&String::from_utf8_lossy(&text)),
    })
}

/// The same program at the lowest priority, so that it takes only what nobody else wants.
pub(crate) fn background(name: &str) -> Command {
    let mut command = program("nice");
    command.args(["-n", "19", name]);
    command
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(LOG_TAIL_LINES);
    format!("; it said\n{}", lines[start..].join("\n"))
}
