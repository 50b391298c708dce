//! What can go wrong while checking, said so that the reader knows what to do.

use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a stage failed or could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{argument:?} is not understood; `cargo xtask help` tells what is")]
    Argument { argument: String },
    #[error("there is no stage {name:?}; `cargo xtask test --list` names them")]
    UnknownStage { name: String },
    #[error("no stage is left to run: --only names stages that --without-peers leaves out")]
    NothingToRun,
    #[error(
        "{}\nOr leave the programs we test against out: cargo xtask test --without-peers",
        lines.join("\n")
    )]
    MissingTools { lines: Vec<String> },
    #[error("cannot start `{command}`: {source}")]
    Start {
        command: String,
        source: std::io::Error,
    },
    #[error("`{command}` failed: {status}{output}")]
    Failed {
        command: String,
        status: ExitStatus,
        /// The end of what it printed, where that was not shown at once.
        output: String,
    },
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0}")]
    Check(String),
}

impl Error {
    /// Turns an I/O error into one that says what was being done to which path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
