//! The command line of tracezip.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

mod arguments;
mod corpus;
mod files;
mod inspect;
mod progress;
mod reassign;
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
