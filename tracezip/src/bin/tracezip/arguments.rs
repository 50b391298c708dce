//! What is asked for.

use std::path::PathBuf;

use crate::reassign::Ids;
use crate::{files, inspect, stat};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}; see --help")]
    Usage(String),
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{}: the file ends within entry {number}, which begins at byte {at}: is it cut off, or no file of requests with \
         their lengths before them?",
        path.display()
    )]
    Cut {
        path: PathBuf,
        number: usize,
        at: usize,
    },
    #[error(
        "{}: the length before entry {number}, at byte {at}, takes more bytes than it needs, which would not come back",
        path.display()
    )]
    Long {
        path: PathBuf,
        number: usize,
        at: usize,
    },
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
    Version,
    Stat(stat::Options),
    Inspect(stat::Options),
    Compress(stat::Options),
    Decompress(stat::Options),
}

/// Each holds what it was sent.
const MOST_RECEIVERS: u64 = 1024;

const HELP: &str = "\
Lossless compression of OTLP traces. Files hold requests, each preceded by its length as a varint;
those that end in .zst are decompressed first.

tracezip stat FILE...         bytes a span beside OTLP, gzip and zstd, and CPU time; a file is a stream
    --json                    as an object with `files` and `total`
    --in-flight N             frames that the sender has no answer to yet (default 4)
    --receivers N             receivers that get the frames in turn (default 1)
    --self-contained          every frame stands for itself
    --reassign-ids WHOSE      ids as our generator makes them, `process` or `fleet`
    --rounds N                the fastest of so many (default 3)
tracezip inspect FILE...      where the bytes go, column by column
    --in-flight, --self-contained, --reassign-ids    as above
tracezip compress FILE...     to .tzip beside the file
    --out FOLDER              or there
    --self-contained          as above
tracezip decompress FILE...   and back to .pbld
    --out FOLDER              or there
    --max-request BYTES       of which it takes none larger (default 268435456)
tracezip --version
";

pub(crate) fn parse() -> Result<Command, Error> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_env();
    let mut command = None;
    let mut options = stat::Options::default();
    let mut given = Vec::new();
    while let Some(argument) = parser.next()? {
        if let Long(option) = &argument {
            given.push((*option).to_owned());
        }
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("version") | Short('V') => return Ok(Command::Version),
            Long("json") => options.json = true,
            Long("self-contained") => options.self_contained = true,
            Long("reassign-ids") => {
                options.ids = Some(match parser.value()?.to_str() {
                    Some("process") => Ids::Process,
                    Some("fleet") => Ids::Fleet,
                    _ => return Err(Error::Usage("--reassign-ids process or fleet?".into())),
                });
            }
            Long("receivers") => {
                options.receivers = parser.value()?.parse()?;
                if !(1..=MOST_RECEIVERS).contains(&options.receivers) {
                    return Err(Error::Usage(format!("--receivers 1 to {MOST_RECEIVERS}?")));
                }
            }
            Long("out") => options.out = Some(parser.value()?.into()),
            Long("max-request") => options.max_request = parser.value()?.parse()?,
            Long("in-flight") => options.in_flight = parser.value()?.parse()?,
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Value(value) if command.is_none() => command = Some(value),
            Value(file) => options.files.push(file.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let command = command.as_deref().map(|command| command.to_string_lossy());
    let taken: &[&str] = match command.as_deref() {
        Some("stat") => &[
            "json",
            "in-flight",
            "receivers",
            "self-contained",
            "reassign-ids",
            "rounds",
        ],
        Some("inspect") => &["in-flight", "self-contained", "reassign-ids"],
        Some("compress") => &["out", "self-contained"],
        Some("decompress") => &["out", "max-request"],
        // It is no command.
        _ => &[],
    };
    // An option without effect would be believed to have one.
    if let Some(command) = command.as_deref().filter(|_| !taken.is_empty())
        && let Some(option) = given
            .iter()
            .find(|option| !taken.contains(&option.as_str()))
    {
        let message = format!("`{command}` has no option --{option}");
        return Err(Error::Usage(message));
    }
    match command.as_deref() {
        Some("stat") => Ok(Command::Stat(options)),
        Some("inspect") => Ok(Command::Inspect(options)),
        Some("compress") => Ok(Command::Compress(options)),
        Some("decompress") => Ok(Command::Decompress(options)),
        Some(other) => Err(Error::Usage(format!("there is no command `{other}`"))),
        None => Err(Error::Usage("which command?".into())),
    }
}

impl Command {
    pub(crate) fn run(self) -> Result<(), Error> {
        match self {
            Self::Help => {
                say!("{}", HELP.trim_end());
                Ok(())
            }
            Self::Version => {
                say!("tracezip {}", env!("CARGO_PKG_VERSION"));
                Ok(())
            }
            // To do nothing, successfully, is never what was meant.
            Self::Stat(options)
            | Self::Inspect(options)
            | Self::Compress(options)
            | Self::Decompress(options)
                if options.files.is_empty() =>
            {
                Err(Error::Usage("which files?".into()))
            }
            Self::Stat(options) => stat::run(&options),
            Self::Inspect(options) => inspect::run(&options),
            Self::Compress(options) => files::compress(&options),
            Self::Decompress(options) => files::decompress(&options),
        }
    }
}
