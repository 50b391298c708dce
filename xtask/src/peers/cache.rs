//! Where built peers are kept between runs: outside the checkout, one folder a recipe.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The variable that moves the cache.
const VARIABLE: &str = "OTEL_ENHANCE_PEERS_DIR";

/// A folder of built peers. A peer's folder is named for the recipe that built it, so a changed
/// recipe builds anew and two checkouts with different recipes share the cache in peace.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn open() -> Result<Self> {
        let root = root(|name| std::env::var_os(name).map(PathBuf::from)).ok_or_else(|| {
            Error::Check(format!(
                "neither {VARIABLE} nor HOME tells where to keep the built peers"
            ))
        })?;
        fs::create_dir_all(&root).map_err(Error::io("create", &root))?;
        Ok(Self { root })
    }

    /// The folder that `build` filled, now or in an earlier run with the same `recipe`.
    ///
    /// It is built beside its final place and moved there whole: a run that was interrupted
    /// leaves nothing that a later one takes for finished, and of two runs at once the second
    /// one to finish throws its work away.
    pub(crate) fn folder(
        &self,
        name: &str,
        recipe: &str,
        build: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let done = self
            .root
            .join(format!("{name}-{:016x}", fingerprint(recipe)));
        if done.is_dir() {
            return Ok(done);
        }
        let making = self
            .root
            .join(format!(".making-{name}-{}", std::process::id()));
        if making.exists() {
            fs::remove_dir_all(&making).map_err(Error::io("remove", &making))?;
        }
        fs::create_dir_all(&making).map_err(Error::io("create", &making))?;
        let log = self.root.join(format!("{name}.log"));
        fs::write(&log, "").map_err(Error::io("write", &log))?;
        build(&making, &log)?;
        match fs::rename(&making, &done) {
            Ok(()) => Ok(done),
            Err(_) if done.is_dir() => {
                fs::remove_dir_all(&making).map_err(Error::io("remove", &making))?;
                Ok(done)
            }
            Err(source) => Err(Error::Io {
                action: "move the finished peer to",
                path: done,
                source,
            }),
        }
    }

    /// A folder that belongs to no recipe, such as a compiler's own cache.
    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes down where the peers are, a `VARIABLE=path` a line.
    pub(crate) fn remember(&self, locations: &[(&'static str, PathBuf)]) -> Result<()> {
        let lines: Vec<String> = locations
            .iter()
            .map(|(variable, path)| format!("{variable}={}\n", path.display()))
            .collect();
        let file = self.root.join("locations");
        fs::write(&file, lines.concat()).map_err(Error::io("write", file))
    }
}

fn root(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|path| !path.as_os_str().is_empty());
    set(VARIABLE).or_else(|| {
        let caches =
            set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
        Some(caches.join("otel-enhance").join("peers"))
    })
}

/// FNV-1a: the same on every machine and with every compiler, which is all that is asked of it.
fn fingerprint(recipe: &str) -> u64 {
    recipe.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn root_prefers_our_variable_then_the_cache_folder_then_home() {
        let with = |pairs: &'static [(&str, &str)]| {
            root(move |name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| PathBuf::from(value))
            })
        };
        let all = &[
            (VARIABLE, "/ours"),
            ("XDG_CACHE_HOME", "/xdg"),
            ("HOME", "/home/me"),
        ];
        assert_eq!(with(all), Some(PathBuf::from("/ours")));
        assert_eq!(
            with(&all[1..]),
            Some(PathBuf::from("/xdg/otel-enhance/peers"))
        );
        assert_eq!(
            with(&all[2..]),
            Some(PathBuf::from("/home/me/.cache/otel-enhance/peers"))
        );
        assert_eq!(with(&[("XDG_CACHE_HOME", "")]), None);
    }

    #[test]
    fn an_interrupted_build_is_not_taken_for_a_finished_one() {
        let root = std::env::temp_dir().join(format!("otel-enhance-cache-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let cache = Cache { root: root.clone() };
        let failed = cache.folder("peer", "recipe", |folder, _| {
            fs::write(folder.join("half"), "").unwrap();
            Err(Error::Check("interrupted".to_owned()))
        });
        assert!(failed.is_err());

        let whole = |folder: &Path, _: &Path| {
            assert!(
                !folder.join("half").exists(),
                "what the interrupted build left is gone"
            );
            fs::write(folder.join("whole"), "").map_err(Error::io("write", folder))
        };
        let built = cache.folder("peer", "recipe", whole).unwrap();
        assert!(built.join("whole").is_file());

        let again = cache.folder("peer", "recipe", |_, _| {
            Err(Error::Check("built twice".to_owned()))
        });
        assert_eq!(again.unwrap(), built);
        let other = cache
            .folder("peer", "another recipe", |_, _| Ok(()))
            .unwrap();
        assert_ne!(other, built);
        fs::remove_dir_all(root).unwrap();
    }
}
