//! The official Python SDK in an environment of its own.

use std::path::PathBuf;

use super::cache::Cache;
use crate::error::{Error, Result};
use crate::process;
use crate::targets;

/// The environment's interpreter.
pub(super) fn build(cache: &Cache) -> Result<PathBuf> {
    let requirements = targets::root().join("tests/services/python/requirements.txt");
    let pinned =
        std::fs::read_to_string(&requirements).map_err(Error::io("read", &requirements))?;
    let version = process::read(
        process::program("python3").args(["-c", "import sys; print(sys.version, sys.prefix)"]),
    )?;
    let folder = cache.folder("python", &format!("{version}{pinned}"), |folder, log| {
        let mut create = process::background("python3");
        process::quietly(create.args(["-m", "venv"]).arg(folder), log)?;
        let mut install = process::background(&folder.join("bin/python").to_string_lossy());
        // No dependency is looked up: the file names them all, so nothing unpinned slips in.
        install.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-deps",
            "--requirement",
        ]);
        process::quietly(install.arg(&requirements), log)
    })?;
    // Of what the environment holds only this works at another place than where it was made.
    Ok(folder.join("bin/python"))
}
