//! What cargo knows about the workspace.

use std::path::PathBuf;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::process;

fn metadata() -> Result<Value> {
    let mut command = process::cargo();
    let text = process::read(command.args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Check(format!("cargo metadata is not JSON: {error}")))
}

/// The folder where cargo puts what it builds.
pub(crate) fn target_folder() -> Result<PathBuf> {
    match metadata()?.get("target_directory").and_then(Value::as_str) {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Err(Error::Check(
            "cargo metadata names no target folder".to_owned(),
        )),
    }
}

/// The workspace's own packages, as `cargo metadata` describes them.
pub(crate) fn packages() -> Result<Vec<Value>> {
    match metadata()?.get("packages").and_then(Value::as_array) {
        Some(packages) => Ok(packages.clone()),
        None => Err(Error::Check("cargo metadata names no packages".to_owned())),
    }
}

/// A package's name.
pub(crate) fn name(package: &Value) -> &str {
    package
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A package's version.
pub(crate) fn version(package: &Value) -> &str {
    package
        .get("version")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether the package goes to a registry: `publish = false` is an empty list there.
pub(crate) fn published(package: &Value) -> bool {
    package
        .get("publish")
        .and_then(Value::as_array)
        .is_none_or(|registries| !registries.is_empty())
}

/// The names of a package's targets of one kind: `test`, `example`, `bench`.
pub(crate) fn targets(package: &str, kind: &str) -> Result<Vec<String>> {
    let packages = packages()?;
    let targets = packages
        .iter()
        .filter(|found| name(found) == package)
        .filter_map(|found| found.get("targets").and_then(Value::as_array))
        .flatten();
    Ok(targets
        .filter(|target| {
            let kinds = target.get("kind").and_then(Value::as_array);
            kinds.is_some_and(|kinds| kinds.iter().any(|found| found == kind))
        })
        .filter_map(|target| {
            target
                .get("name")
                .and_then(Value::as_str)
                .map(str::to_owned)
        })
        .collect())
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or_else(|| own.clone(), PathBuf::from)
}
