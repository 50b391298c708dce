//! The command line.

use crate::error::{Error, Result};

pub(crate) const USAGE: &str = "\
cargo xtask test    run every check; what the README promises and CI runs
    --without-peers     leave out the programs that we did not write, and what takes root
    --only STAGE        run this stage alone (may be repeated)
    --list              name the stages
cargo xtask peers   build those programs and stop
cargo xtask help    print this";

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    List,
    Peers,
    Test(Options),
}

/// What `cargo xtask test` was asked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) without_peers: bool,
    /// Empty: every stage.
    pub(crate) only: Vec<String>,
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    let unknown = |argument| Error::Argument { argument };
    match arguments.next().as_deref() {
        Some("test") => {}
        Some("peers") => {
            return arguments
                .next()
                .map_or(Ok(Command::Peers), |a| Err(unknown(a)));
        }
        None | Some("help" | "--help" | "-h") => return Ok(Command::Help),
        Some(other) => return Err(unknown(other.to_owned())),
    }
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--without-peers" => options.without_peers = true,
            "--list" => return Ok(Command::List),
            "--help" | "-h" => return Ok(Command::Help),
            "--only" => match arguments.next() {
                Some(stage) => options.only.push(stage),
                None => return Err(unknown("--only without a stage".to_owned())),
            },
            _ => return Err(unknown(argument)),
        }
    }
    Ok(Command::Test(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn test_without_options_runs_everything() {
        assert_eq!(parsed("test").unwrap(), Command::Test(Options::default()));
    }

    #[test]
    fn test_with_options_keeps_each() {
        assert_eq!(
            parsed("test --only fmt --without-peers --only docs").unwrap(),
            Command::Test(Options {
                without_peers: true,
                only: vec!["fmt".to_owned(), "docs".to_owned()],
            })
        );
    }

    #[test]
    fn a_mistyped_option_is_refused_by_name() {
        let error = parsed("test --without-pers").unwrap_err().to_string();
        assert!(error.contains("--without-pers"), "{error}");
    }

    #[test]
    fn only_without_a_stage_is_refused() {
        parsed("test --only").unwrap_err();
    }
}
