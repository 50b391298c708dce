//! The examples.

use crate::error::Result;
use crate::features::EXAMPLES;
use crate::process::{cargo, show};

pub(crate) fn build() -> Result<()> {
    show(cargo().args(["build", "-p", EXAMPLES, "--examples"]))
}
