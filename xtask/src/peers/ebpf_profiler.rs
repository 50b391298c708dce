//! The OpenTelemetry eBPF profiler: it samples every process, and finds our spans by the map that we keep up to date.

use std::path::PathBuf;

use super::cache::Cache;
use super::go;
use crate::error::Result;

const PACKAGE: &str = "go.opentelemetry.io/ebpf-profiler";
const VERSION: &str = "v0.0.202633";

/// Where the tests find it.
pub(crate) const VARIABLE: &str = "OTEL_ENHANCE_PEER_EBPF_PROFILER";

pub(super) fn build(cache: &Cache) -> Result<PathBuf> {
    let recipe = format!("{PACKAGE}@{VERSION}");
    let folder = cache.folder("ebpf-profiler", &recipe, |folder, log| {
        let to = folder.join("ebpf-profiler");
        go::install(cache, folder, PACKAGE, VERSION, &to, log)
    })?;
    Ok(folder.join("ebpf-profiler"))
}
