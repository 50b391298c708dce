//! All settings laid over one another.

use super::settings::{ExporterKind, Overrides, Settings};
use super::{
    Diagnostics, Env, Reader, Tuning, batch, exporters, limits, otlp, propagator, sampler,
};
use crate::{InitError, resource};

/// Variables of the specification that this build knows and does not follow.
const UNSUPPORTED: [(&str, &str); 3] = [
    (
        "OTEL_CONFIG_FILE",
        "declarative configuration is not supported: the file is ignored; use `init!`'s arguments and the other `OTEL_*` variables",
    ),
    (
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        "declarative configuration is not supported: the file is ignored; use `init!`'s arguments and the other `OTEL_*` variables",
    ),
    (
        "OTEL_ENTITIES",
        "entities are not supported: the value is ignored; put the attributes into OTEL_RESOURCE_ATTRIBUTES",
    ),
];

fn performance(overrides: &Overrides) -> Result<Option<Tuning>, InitError> {
    if overrides.performance.is_some() && !cfg!(feature = "performance") {
        return Err(InitError::FeatureMissing {
            argument: "performance",
            feature: "performance",
        });
    }
    Ok(overrides.performance)
}

/// Lays code over the environment over the defaults.
///
/// # Errors
///
/// A value in code that cannot be used. Values of the environment never fail: the diagnostics say
/// what was wrong and what holds.
pub(crate) fn resolve(
    overrides: Overrides,
    env: &Env,
) -> Result<(Settings, Diagnostics), InitError> {
    let mut reader = Reader::new(env);
    for (name, advice) in UNSUPPORTED {
        if let Some(text) = reader.text(name) {
            reader.report(name, super::env::shown(&text), advice);
        }
    }
    #[cfg(feature = "simd")]
    super::simd::diagnose(&mut reader);
    let disabled = reader.boolean(&["OTEL_SDK_DISABLED"]);
    let resource = resource::resolve(&overrides, &mut reader)?;
    let exporters = exporters::resolve(&overrides, &mut reader)?;
    let mut otlp_reader = Reader::new(env);
    let (otlp, equal_otlp) = otlp::resolve(&overrides, &mut otlp_reader)?;
    // Variables of an exporter that is not used are nobody's fault.
    if exporters.contains(&ExporterKind::Otlp) {
        reader.diagnostics.extend(otlp_reader.diagnostics);
    }
    let settings = Settings {
        disabled,
        resource,
        exporters,
        otlp,
        equal_otlp,
        sampler: sampler::resolve(&overrides, &mut reader)?,
        propagators: propagator::resolve(&overrides, &mut reader),
        batch: batch::resolve(&overrides, &mut reader)?,
        performance: performance(&overrides)?,
        limits: limits::resolve(&overrides, &mut reader)?,
    };
    Ok((settings, reader.diagnostics))
}
