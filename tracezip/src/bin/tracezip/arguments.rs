//! What is asked for.

use std::path::PathBuf;

use crate::{inspect, stat};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}; see --help")]
    Usage(String),
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the file ends within a request")]
    Cut,
    #[error("{}: request {request} did not come back: {why}", path.display())]
    Lost {
        path: PathBuf,
        request: usize,
        why: String,
    },
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Stat(stat::Options),
    Inspect(stat::Options),
}

const HELP: &str = "\
tracezip stat FILE... [--json] [--self-contained] [--in-flight N] [--rounds N]
";

pub(crate) fn parse() -> Result<Command, Error> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_env();
    let mut command = None;
    let mut options = stat::Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("json") => options.json = true,
            Long("self-contained") => options.self_contained = true,
            Long("in-flight") => options.in_flight = parser.value()?.parse()?,
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Value(value) if command.is_none() => command = Some(value),
            Value(file) => options.files.push(file.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    match command.as_deref().and_then(|command| command.to_str()) {
        Some("stat") => Ok(Command::Stat(options)),
        Some("inspect") => Ok(Command::Inspect(options)),
        _ => Err(Error::Usage("which command?".into())),
    }
}

impl Command {
    pub(crate) fn run(self) -> Result<(), Error> {
        match self {
            Self::Help => {
                print!("{HELP}");
                Ok(())
            }
            Self::Stat(options) => stat::run(&options),
            Self::Inspect(options) => inspect::run(&options),
        }
    }
}
