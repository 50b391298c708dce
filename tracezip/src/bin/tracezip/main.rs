//! The command line of tracezip.
#![expect(clippy::print_stderr, reason = "a command line tool")]

/// Prints a line.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write;
        if let Err(error) = writeln!(std::io::stdout(), $($line)*) {
            $crate::unsaid(&error);
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

/// Whoever closed the pipe has read enough; whoever wanted the figures in a file that is full has not got them.
fn unsaid(error: &std::io::Error) -> ! {
    let is_enough = error.kind() == std::io::ErrorKind::BrokenPipe;
    if !is_enough {
        eprintln!("tracezip: standard output: {error}");
    }
    std::process::exit(i32::from(!is_enough));
}

fn main() -> ExitCode {
    match arguments::parse().and_then(arguments::Command::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tracezip: {error}");
            ExitCode::FAILURE
        }
    }
}
