//! The official JavaScript SDK.

use std::fs;
use std::path::PathBuf;

use super::cache::Cache;
use crate::error::{Error, Result};
use crate::process;
use crate::targets;

/// The folder of installed packages, for `NODE_PATH`.
pub(super) fn build(cache: &Cache) -> Result<PathBuf> {
    let service = targets::root().join("tests/services/node");
    let lock = service.join("package-lock.json");
    let pinned = fs::read_to_string(&lock).map_err(Error::io("read", &lock))?;
    let folder = cache.folder("node", &pinned, |folder, log| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(service.join(file), folder.join(file))
                .map_err(Error::io("copy", service.join(file)))?;
        }
        let mut install = process::background("npm");
        // No package's own scripts: nothing here needs building.
        install
            .current_dir(folder)
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
        process::quietly(&mut install, log)
    })?;
    Ok(folder.join("node_modules"))
}
