//! Builds the workspace of programs that need other features than this one.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The executable `hostile`, built on the first call. Its target folder stands beside that of
/// `executable`, one of this workspace.
///
/// # Errors
///
/// If it does not build, with what cargo said.
pub fn hostile(executable: &str) -> io::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build(Path::new(executable)).map_err(|error| error.to_string()))
        .clone()
        .map_err(io::Error::other)
}

fn build(executable: &Path) -> io::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/Cargo.toml");
    // target/debug/program: the folder of all profiles is two above.
    let target = executable
        .ancestors()
        .nth(2)
        .ok_or_else(|| io::Error::other("the executable is in no target folder"))?
        .join("fixtures");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        // The graph has a panic strategy and features of its own; flags of coverage runs are not for it.
        .env_remove("RUSTFLAGS")
        .output()?;
    if output.status.success() {
        Ok(target.join("debug/hostile"))
    } else {
        Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }
}
