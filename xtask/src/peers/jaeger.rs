//! Jaeger: a trace backend whose query API says what it made of our spans.

use std::path::PathBuf;

use super::cache::Cache;
use super::go;
use crate::error::Result;

/// Jaeger 2; its Go module is still numbered 1.
const PACKAGE: &str = "github.com/jaegertracing/jaeger/cmd/jaeger";
const VERSION: &str = "v1.76.0";

pub(super) fn build(cache: &Cache) -> Result<PathBuf> {
    let folder = cache.folder("jaeger", &format!("{PACKAGE}@{VERSION}"), |folder, log| {
        go::install(cache, folder, PACKAGE, VERSION, &folder.join("jaeger"), log)
    })?;
    Ok(folder.join("jaeger"))
}
