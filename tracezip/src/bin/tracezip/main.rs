//! The command line of tracezip.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

/// Prints a line. Whoever closed the pipe has read enough.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write;
        if writeln!(std::io::stdout(), $($line)*).is_err() {
            std::process::exit(0);
        }
    }};
}

mod arguments;
mod corpus;
mod files;
mod inspect;
mod progress;
mod reassign;
mod replay;
mod stat;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse().and_then(arguments::Command::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tracezip: {error}");
            ExitCode::FAILURE
        }
    }
}
