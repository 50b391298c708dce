//! The OpenTelemetry Collector, with the components that the tests use.

use std::fs;
use std::path::PathBuf;

use super::cache::Cache;
use super::go;
use crate::error::{Error, Result};
use crate::process;

const BUILDER: &str = "go.opentelemetry.io/collector/cmd/builder@v0.161.0";

/// What the Collector's own builder is asked for. The file exporter does not build from v0.163 on.
const MANIFEST: &str = "\
dist:
  name: otelcol-peer
  module: otelcol-peer
  description: OpenTelemetry Collector with what the tests of otel-enhance use
  version: 0.161.0
  output_path: ./sources
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v0.161.0
processors:
  - gomod: go.opentelemetry.io/collector/processor/batchprocessor v0.161.0
  - gomod: go.opentelemetry.io/collector/processor/memorylimiterprocessor v0.161.0
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/debugexporter v0.161.0
  - gomod: go.opentelemetry.io/collector/exporter/otlpexporter v0.161.0
  - gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v0.161.0
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v0.161.0
extensions:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage v0.161.0
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v1.67.0
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.67.0
  - gomod: go.opentelemetry.io/collector/confmap/provider/yamlprovider v1.67.0
";

pub(super) fn build(cache: &Cache) -> Result<PathBuf> {
    let folder = cache.folder(
        "collector",
        &format!("{BUILDER}\n{MANIFEST}"),
        |folder, log| {
            let manifest = folder.join("manifest.yaml");
            fs::write(&manifest, MANIFEST).map_err(Error::io("write", &manifest))?;
            let mut generate = go::go(cache);
            generate.current_dir(folder).args([
                "run",
                BUILDER,
                "--config",
                "manifest.yaml",
                "--skip-compilation",
            ]);
            process::quietly(&mut generate, log)?;
            go::compile(
                cache,
                &folder.join("sources"),
                ".",
                &folder.join("otelcol-peer"),
                log,
            )
        },
    )?;
    Ok(folder.join("otelcol-peer"))
}
