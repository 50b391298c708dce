//! The project's test command: `cargo xtask test` runs every check there is.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program speaks through its standard streams"
)]

mod arguments;
mod checks;
mod error;
mod features;
mod memlock;
mod peers;
mod process;
mod report;
mod stages;
mod targets;
mod tools;

use std::process::ExitCode;

use arguments::Command;

fn main() -> ExitCode {
    let outcome = match arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", arguments::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Command::List) => {
            stages::list();
            return ExitCode::SUCCESS;
        }
        Ok(Command::Peers) => peers::build_all().map(|()| true),
        Ok(Command::Test(options)) => stages::run(&options),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
