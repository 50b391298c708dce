//! The tests that cargo runs.
//!
//! The files of the tests package say by their names where they belong: `ui*` hold what the
//! macros must accept (what they must refuse is a package of its own), `interop_*` need the peers,
//! `ebpf_*` the real kernel and root, all others are end to end.

use std::process::Command;

use crate::error::{Error, Result};
use crate::features::{COMBINATIONS, DOCUMENTED, LIBRARY, TESTS, UI_TESTS};
use crate::peers::Peers;
use crate::process::{cargo, show};
use crate::targets::targets;

pub(crate) fn unit() -> Result<()> {
    for combination in COMBINATIONS.iter().filter(|combination| combination.tested) {
        let mut command = cargo();
        combination.select(command.arg("test")).arg("--tests");
        show(&mut command)?;
    }
    show(cargo().args(["test", "-p", TESTS, "--lib"]))
}

pub(crate) fn doctests() -> Result<()> {
    for combination in DOCUMENTED {
        show(combination.select(cargo().args(["test", "--doc"])))?;
    }
    // The same page is read by those who take the defaults.
    show(cargo().args(["test", "--doc", "-p", LIBRARY]))?;
    // The README's program.
    show(cargo().args(["test", "--doc", "-p", TESTS]))
}

pub(crate) fn ui() -> Result<()> {
    run(&mut cargo(), Kind::Ui)?;
    show(cargo().args(["test", "-p", UI_TESTS]))
}

pub(crate) fn end_to_end() -> Result<()> {
    run(&mut cargo(), Kind::EndToEnd)
}

/// The tests of what a span records, once more with the spans of the extension.
pub(crate) fn fast_spans() -> Result<()> {
    let mut command = cargo();
    command.env("OTEL_ENHANCE_TEST_SPANS", "fast");
    command.args(["test", "-p", TESTS]);
    for target in [
        "span_basics",
        "span_semantics",
        "span_shapes",
        "ui_accepted",
    ] {
        command.args(["--test", target]);
    }
    show(&mut command)
}

pub(crate) fn interop(peers: &Peers) -> Result<()> {
    let mut command = cargo();
    command.envs(peers.locations()?);
    run(&mut command, Kind::Interop)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Ui,
    Interop,
    /// As root, on the real kernel: `ebpf.rs` names them.
    Kernel,
    EndToEnd,
}

fn kind(target: &str) -> Kind {
    if target.starts_with("ui") || target.starts_with("trybuild") {
        Kind::Ui
    } else if target.starts_with("interop_") {
        Kind::Interop
    } else if target.starts_with("ebpf_") {
        Kind::Kernel
    } else {
        Kind::EndToEnd
    }
}

fn run(command: &mut Command, wanted: Kind) -> Result<()> {
    command.args(["test", "--no-fail-fast", "-p", TESTS]);
    if wanted == Kind::Interop {
        command.args(["--features", "peers"]);
    }
    let names: Vec<String> = targets(TESTS, "test")?
        .into_iter()
        .filter(|name| kind(name) == wanted)
        .collect();
    if names.is_empty() {
        // A stage that found nothing must not look like one that found nothing wrong.
        return Err(Error::Check(format!(
            "the {TESTS} package has no test file of this kind"
        )));
    }
    for name in names {
        command.args(["--test", &name]);
    }
    show(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_file_belongs_where_its_name_says() {
        assert_eq!(kind("ui"), Kind::Ui);
        assert_eq!(kind("trybuild"), Kind::Ui);
        assert_eq!(kind("interop_collector"), Kind::Interop);
        assert_eq!(kind("ebpf_readers"), Kind::Kernel);
        assert_eq!(kind("traps"), Kind::EndToEnd);
    }
}
