//! The examples, and the command that the README tells everybody to run first.

use crate::error::Result;
use crate::features::EXAMPLES;
use crate::process::{cargo, show};

pub(crate) fn build() -> Result<()> {
    show(cargo().args(["build", "-p", EXAMPLES, "--examples"]))
}

/// Word for word what the README says.
pub(crate) fn quickstart() -> Result<()> {
    show(cargo().args(["run", "--release", "--example", "quickstart"]))
}
