//! Whether the published crates can be published.

use crate::error::Result;
use crate::process::{cargo, show};
use crate::targets::{name, packages, published};

/// Packages them together, so that one finds the other before either is in a registry, and
/// builds each from its package.
pub(crate) fn check() -> Result<()> {
    let mut command = cargo();
    command.arg("package");
    for package in packages()?.iter().filter(|package| published(package)) {
        command.args(["-p", name(package)]);
    }
    // A developer's tree may have changes; CI's is clean anyway.
    show(command.arg("--allow-dirty"))
}
