//! Programs written in Go, built from the module proxy.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::cache::Cache;
use crate::error::{Error, Result};
use crate::process;

/// The `go` command, at the lowest priority and with caches of its own that outlive a run.
pub(super) fn go(cache: &Cache) -> Command {
    let mut command = process::background("go");
    command
        .env("GOCACHE", cache.shared("go-build"))
        .env("GOMODCACHE", cache.shared("go-modules"))
        // The compiler on the PATH, never one fetched in passing.
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        // No C compiler and no C library of this machine take part.
        .env("CGO_ENABLED", "0")
        // The caches may be removed by hand, and no repository around them is asked for a version.
        .env("GOFLAGS", "-modcacherw -buildvcs=false");
    command
}

/// Compiles `package` of the module in `folder`.
pub(super) fn compile(
    cache: &Cache,
    folder: &Path,
    package: &str,
    to: &Path,
    log: &Path,
) -> Result<()> {
    let mut command = go(cache);
    command
        .current_dir(folder)
        .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(to)
        .arg(package);
    process::quietly(&mut command, log)
}

/// Compiles a program of a published module, by way of a module of our own that requires it:
/// `go install` asks for the list of a module's versions, which not every proxy serves.
pub(super) fn install(
    cache: &Cache,
    folder: &Path,
    package: &str,
    version: &str,
    to: &Path,
    log: &Path,
) -> Result<()> {
    let module = folder.join("go.mod");
    fs::write(&module, "module peer\n\ngo 1.26\n").map_err(Error::io("write", &module))?;
    let mut get = go(cache);
    get.current_dir(folder)
        .args(["get", &format!("{package}@{version}")]);
    process::quietly(&mut get, log)?;
    compile(cache, folder, package, to, log)
}
