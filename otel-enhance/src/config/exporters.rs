//! What comes out of the pipeline's end: `OTEL_TRACES_EXPORTER`.

use super::env::{Reader, shown};
use super::settings::{ExporterKind, Overrides};
use super::{otlp, percent};
use crate::InitError;

const VARIABLE: &str = "OTEL_TRACES_EXPORTER";

/// Code's exporter, or those that the environment lists, or OTLP.
pub(crate) fn resolve(
    code: &Overrides,
    reader: &mut Reader<'_>,
) -> Result<Vec<ExporterKind>, InitError> {
    let missing = InitError::FeatureMissing {
        argument: "exporter",
        feature: "otlp-http",
    };
    match code.exporter {
        Some(ExporterKind::Otlp) if !otlp::is_compiled_in() => return Err(missing),
        Some(exporter) => return Ok(vec![exporter]),
        None => {}
    }
    match reader.text(VARIABLE) {
        Some(list) => Ok(from_env(&list, reader)),
        // A build that can send nothing, and neither code nor environment names something else.
        None if !otlp::is_compiled_in() => Err(missing),
        None => Ok(vec![ExporterKind::Otlp]),
    }
}

fn from_env(list: &str, reader: &mut Reader<'_>) -> Vec<ExporterKind> {
    let mut chosen = Vec::new();
    let mut faults = Vec::new();
    let mut none = None;
    for member in percent::members(list) {
        let exporter = match member.to_ascii_lowercase().as_str() {
            "otlp" if otlp::is_compiled_in() => ExporterKind::Otlp,
            "console" => ExporterKind::Stdout,
            "none" => {
                none = Some(member);
                continue;
            }
            "otlp" => {
                let advice = "expected a build with the cargo feature `otlp-http` or `otlp-grpc` of otel-enhance";
                faults.push((member, advice));
                continue;
            }
            "logging" => {
                faults.push((member, "expected `console`, the name that replaced it"));
                continue;
            }
            "zipkin" | "jaeger" | "prometheus" | "otlp/stdout" => {
                faults.push((
                    member,
                    "expected `otlp`, `console` or `none`: this exporter is not supported",
                ));
                continue;
            }
            _ => {
                faults.push((member, "expected `otlp`, `console` or `none`"));
                continue;
            }
        };
        if !chosen.contains(&exporter) {
            chosen.push(exporter);
        }
    }
    if let Some(member) = none {
        if chosen.is_empty() {
            chosen.push(ExporterKind::None);
        } else {
            faults.push((member, "expected `none` alone or other exporters"));
        }
    }
    if chosen.is_empty() {
        chosen.push(if otlp::is_compiled_in() {
            ExporterKind::Otlp
        } else {
            ExporterKind::None
        });
    }
    let held = chosen
        .iter()
        .map(|exporter| exporter.as_str())
        .collect::<Vec<_>>()
        .join(",");
    for (member, advice) in faults {
        reader.report(VARIABLE, shown(member), format!("{advice}; `{held}` holds"));
    }
    chosen
}

impl ExporterKind {
    /// The name that `OTEL_TRACES_EXPORTER` knows it by.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
            Self::Stdout => "console",
            Self::None => "none",
            Self::Custom => "given in code",
        }
    }
}
