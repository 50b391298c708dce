//! Whether the published crates can be published.

use std::fs;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::process::{cargo, program, show};
use crate::targets::{name, packages, published, root, target_folder, version};

/// Packages them together, and compiles what is in the packages.
///
/// Cargo could do the second part too, but not twice: it serves the packages to each other like
/// crates from a registry, which never change, and so keeps what it compiled of the first ones.
/// Here they are a workspace of their own, whose members take each other by path.
pub(crate) fn check() -> Result<()> {
    let published: Vec<Value> = packages()?.into_iter().filter(published).collect();
    let mut command = cargo();
    // A developer's tree may have changes; CI's is clean anyway.
    command.args(["package", "--no-verify", "--allow-dirty"]);
    for package in &published {
        command.args(["-p", name(package)]);
    }
    show(&mut command)?;

    let target = target_folder()?;
    let unpacked = target.join("packaged");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked).map_err(Error::io("remove", &unpacked))?;
    }
    fs::create_dir_all(&unpacked).map_err(Error::io("create", &unpacked))?;
    for package in &published {
        let archive =
            target
                .join("package")
                .join(format!("{}-{}.crate", name(package), version(package)));
        show(
            program("tar")
                // Not of the age that they have in the archive, by which cargo takes what it compiled of an earlier
                // package for up to date.
                .arg("-xzmf")
                .arg(archive)
                .arg("-C")
                .arg(&unpacked),
        )?;
    }
    let manifest = unpacked.join("Cargo.toml");
    fs::write(&manifest, workspace(&published)).map_err(Error::io("write", &manifest))?;
    // The versions that everything else was tested with.
    let lock = root().join("Cargo.lock");
    fs::copy(&lock, unpacked.join("Cargo.lock")).map_err(Error::io("copy", lock))?;
    for package in &published {
        let mut command = cargo();
        command
            .args(["check", "-p", name(package), "--manifest-path"])
            .arg(&manifest);
        // The dependencies are there, compiled, from the stages before.
        show(command.arg("--target-dir").arg(&target))?;
    }
    Ok(())
}

fn workspace(published: &[Value]) -> String {
    let mut manifest =
        String::from("[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n\n[patch.crates-io]\n");
    for package in published {
        let (name, version) = (name(package), version(package));
        manifest += &format!("{name} = {{ path = \"{name}-{version}\" }}\n");
    }
    manifest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn packaged_crates_take_each_other_by_path() {
        let manifest = workspace(&[json!({ "name": "ours", "version": "0.1.0" })]);
        assert!(
            manifest.ends_with("[patch.crates-io]\nours = { path = \"ours-0.1.0\" }\n"),
            "{manifest}"
        );
    }
}
