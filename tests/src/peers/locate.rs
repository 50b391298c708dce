//! Finds what `cargo xtask` built.

use std::path::PathBuf;

/// A thing that `cargo xtask peers` builds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Built {
    Collector,
    Jaeger,
    PythonInterpreter,
    NodeModules,
}

impl Built {
    /// The variables of `xtask/src/peers/mod.rs`.
    fn variable(self) -> &'static str {
        match self {
            Self::Collector => "OTEL_ENHANCE_PEER_COLLECTOR",
            Self::Jaeger => "OTEL_ENHANCE_PEER_JAEGER",
            Self::PythonInterpreter => "OTEL_ENHANCE_PEER_PYTHON",
            Self::NodeModules => "OTEL_ENHANCE_PEER_NODE_MODULES",
        }
    }
}

/// Where it is: `cargo xtask test` says so by a variable; for a test that is run by hand, the
/// cache remembers what was built last.
pub(super) fn locate(built: Built) -> PathBuf {
    let variable = built.variable();
    let path = std::env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| remembered(variable));
    match path {
        Some(path) if path.exists() => path,
        Some(path) => panic!(
            "{variable} is {}, where there is nothing; `cargo xtask peers` builds what is missing",
            path.display()
        ),
        None => panic!("{variable} is not set and nothing was built yet: run `cargo xtask peers`"),
    }
}

fn remembered(variable: &str) -> Option<PathBuf> {
    let lines = std::fs::read_to_string(cache()?.join("locations")).ok()?;
    lines.lines().find_map(|line| {
        let (name, path) = line.split_once('=')?;
        (name == variable).then(|| PathBuf::from(path))
    })
}

/// The folder of `xtask/src/peers/cache.rs`.
fn cache() -> Option<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("OTEL_ENHANCE_PEERS_DIR").or_else(|| {
        let caches =
            set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
        Some(caches.join("otel-enhance").join("peers"))
    })
}

/// A file of `tests/services`.
pub(super) fn service_source(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("services")
        .join(path)
}
