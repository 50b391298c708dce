//! Checks of the sources themselves: format, lints, documentation.

use crate::error::Result;
use crate::features::{COMBINATIONS, DOCUMENTED, PORTABLE, SYSTEMS, TESTS};
use crate::process::{cargo, show};

pub(crate) fn fmt() -> Result<()> {
    show(cargo().args(["fmt", "--all", "--check"]))
}

/// Lints every combination, and the tests of those that have them.
pub(crate) fn clippy() -> Result<()> {
    for combination in COMBINATIONS {
        // First without the tests: what they depend on switches features on in shared crates,
        // and would hide one that the combination forgot.
        show(
            combination
                .select(cargo().arg("clippy"))
                .args(["--", "-D", "warnings"]),
        )?;
        if combination.tested {
            show(
                combination
                    .select(cargo().args(["clippy", "--all-targets"]))
                    .args(["--", "-D", "warnings"]),
            )?;
        }
    }
    show(cargo().args([
        "clippy",
        "-p",
        TESTS,
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Lints what differs between systems for other ones, which takes their standard library and no linker.
pub(crate) fn systems() -> Result<()> {
    for system in SYSTEMS {
        for combination in PORTABLE {
            let mut command = cargo();
            command.args(["clippy", "--target", system]);
            show(
                combination
                    .select(&mut command)
                    .args(["--", "-D", "warnings"]),
            )?;
        }
    }
    Ok(())
}

pub(crate) fn docs() -> Result<()> {
    for combination in DOCUMENTED {
        let mut command = cargo();
        combination.select(command.arg("doc")).arg("--no-deps");
        show(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}
