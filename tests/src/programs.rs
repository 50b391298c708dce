//! The workspace's own programs, for tests that run one as a process.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot have its program has failed"
)]

use std::path::PathBuf;
use std::process::Command;

/// Builds an example, unless it is up to date, and returns where it is.
///
/// # Panics
///
/// If it does not build.
pub fn example(name: &str) -> PathBuf {
    build("otel-enhance-examples", &["--example", name])
}

/// Builds a program of another package, unless it is up to date, and returns where it is.
///
/// # Panics
///
/// If it does not build.
pub fn program(package: &str, name: &str) -> PathBuf {
    build(package, &["--bin", name])
}

/// The same with these features. A program is always built with the same ones, because it is always in the same place.
///
/// # Panics
///
/// If it does not build.
pub fn program_with(package: &str, name: &str, features: &str) -> PathBuf {
    build(package, &["--bin", name, "--features", features])
}

/// Cargo is asked, because a test cannot name another package's programs: what lies in the target
/// folder may be of yesterday.
fn build(package: &str, target: &[&str]) -> PathBuf {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo says about the test's own package: build scripts that watch such variables would
    // run anew, and with them half of the dependencies.
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        let about = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
            "CARGO_PRIMARY_",
        ];
        if about.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&variable);
        }
    }
    let output = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--message-format",
            "json-render-diagnostics",
            "--package",
            package,
        ])
        .args(target)
        .output()
        .expect("cargo can be started");
    assert!(
        output.status.success(),
        "{package} {target:?} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut built = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    // Of several only the last is what was asked for: the others are what it depends on.
    built
        .next_back()
        .unwrap_or_else(|| panic!("cargo built no program for {package} {target:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_of_another_package_is_built_and_runs() {
        let status = Command::new(program("xtask", "xtask"))
            .arg("help")
            .output()
            .unwrap()
            .status;
        assert!(status.success());
    }

    #[test]
    #[should_panic(expected = "does not build")]
    fn program_that_does_not_exist_is_a_failure() {
        program("xtask", "nonesuch");
    }
}
