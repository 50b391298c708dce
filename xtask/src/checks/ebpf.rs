//! The programs in the kernel: what is committed is what the sources make, and it works on this kernel.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::error::{Error, Result};
use crate::features::LIBRARY;
use crate::process::{cargo, program, read, show};
use crate::targets::root;

/// What the rebuild script ends with where the pinned compilers are no longer to be had.
const UNAVAILABLE: i32 = 3;

/// Rebuilds the object and compares, then runs the tests on the real kernel.
pub(crate) fn check() -> Result<()> {
    manifest()?;
    rebuild()?;
    kernel()
}

/// Whether the manifest speaks of these sources and of this object.
fn manifest() -> Result<()> {
    let folder = root().join("ebpf");
    let path = folder.join("object/MANIFEST");
    let manifest = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let script = folder.join("rebuild.sh");
    let sources = read(program(&script).arg("--sources"))?;
    let object = read(program("sha256sum").arg(folder.join("object/programs.o")))?;
    for (what, found) in [("sources", &sources), ("object", &object)] {
        let found = found.split_whitespace().next().unwrap_or_default();
        if entry(&manifest, what) != Some(found) {
            return Err(Error::Check(format!(
                "ebpf/object/MANIFEST is not about these {what}: run ebpf/rebuild.sh and commit what it writes"
            )));
        }
    }
    Ok(())
}

fn entry<'m>(manifest: &'m str, name: &str) -> Option<&'m str> {
    manifest.lines().find_map(|line| {
        let (found, value) = line.split_once(' ')?;
        (found == name).then(|| value.trim())
    })
}

fn rebuild() -> Result<()> {
    let mut command = program(root().join("ebpf/rebuild.sh"));
    match show(command.arg("--check")) {
        Err(Error::Failed { status, .. }) if status.code() == Some(UNAVAILABLE) => {
            println!(
                "NOT REBUILT: the pinned compilers are not to be had here, as said above. The committed \
                 object matches its manifest, and is what is tested."
            );
            Ok(())
        }
        outcome => outcome,
    }
}

fn kernel() -> Result<()> {
    // Files in /proc/self belong to whom the process runs as.
    let owner = fs::metadata("/proc/self").map_err(Error::io("look at", "/proc/self"))?;
    if owner.uid() != 0 {
        return Err(Error::Check(
            "the programs are tested on the real kernel, which takes root: run this stage as root"
                .to_owned(),
        ));
    }
    for (package, features, test) in [
        ("otel-enhance-ebpf", "kernel-tests", "kernel"),
        ("otel-enhance-ebpf", "kernel-tests", "first_thread"),
        ("otel-enhance", "testing,ebpf-kernel-tests", "kernel"),
        ("otel-enhance-tests", "kernel", "ebpf_readers"),
    ] {
        let one = ["-p", package, "--features", features, "--test", test];
        show(
            cargo()
                .arg("clippy")
                .args(one)
                .args(["--", "-D", "warnings"]),
        )?;
        show(cargo().arg("test").args(one))?;
    }
    // What reads samples is tested from within. One at a time: a session's samples are of the whole process.
    show(
        cargo()
            .args([
                "test",
                "-p",
                LIBRARY,
                "--features",
                "testing,ebpf-kernel-tests",
            ])
            .args(["--lib", "--", "profile::", "--ignored", "--test-threads=1"]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_whole_name() {
        let manifest = "object   abc\nobjects  d\nllvm     1:22\n";
        assert_eq!(entry(manifest, "object"), Some("abc"));
        assert_eq!(entry(manifest, "llvm"), Some("1:22"));
        assert_eq!(entry(manifest, "obj"), None);
    }
}
