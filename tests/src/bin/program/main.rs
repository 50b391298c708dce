//! The small programs of the trap and exit tests: `program <case> <plain|ours>`.
//!
//! They are one executable because linking forty would take minutes. Each case is a function, named as
//! the case, that writes what it finds as lines `name=value`; the tests start it and judge.
#![expect(clippy::print_stdout, reason = "the tests read it")]

mod common;
mod exits;
mod traps;
mod unix;

use std::process::ExitCode;

use common::Case;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let side = arguments.next().unwrap_or_default();
    let case: Option<Case> = match side.as_str() {
        "plain" => traps::plain(&name).or_else(|| exits::plain(&name)),
        _ => traps::ours(&name).or_else(|| exits::ours(&name)),
    };
    let Some(case) = case else {
        println!("error=no case {name} {side}");
        return ExitCode::FAILURE;
    };
    match case() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error={error}");
            ExitCode::FAILURE
        }
    }
}
