//! pprof: reads what the extension `ebpf` writes about the code of spans.

use std::path::PathBuf;

use super::cache::Cache;
use super::go;
use crate::error::Result;

const PACKAGE: &str = "github.com/google/pprof";
const VERSION: &str = "v0.0.0-20261105003125-4bf881d7fb0b";

/// Where the tests find it.
pub(crate) const VARIABLE: &str = "OTEL_ENHANCE_PEER_PPROF";

pub(super) fn build(cache: &Cache) -> Result<PathBuf> {
    let folder = cache.folder("pprof", &format!("{PACKAGE}@{VERSION}"), |folder, log| {
        go::install(cache, folder, PACKAGE, VERSION, &folder.join("pprof"), log)
    })?;
    Ok(folder.join("pprof"))
}
