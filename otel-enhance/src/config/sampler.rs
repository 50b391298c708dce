//! The sampler: `OTEL_TRACES_SAMPLER` and its argument.

use opentelemetry_sdk::trace::Sampler;

use super::env::{Parsed, Reader, shown};
use super::settings::{Overrides, SamplerChoice};
use crate::InitError;

const VARIABLE: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const SUPPORTED: &str = "`always_on`, `always_off`, `traceidratio`, `parentbased_always_on`, `parentbased_always_off` or `parentbased_traceidratio`";

/// Code over environment over `parentbased_always_on`.
pub(crate) fn resolve(
    code: &Overrides,
    reader: &mut Reader<'_>,
) -> Result<SamplerChoice, InitError> {
    if let Some(choice) = code.sampler {
        return match choice.ratio() {
            Some(ratio) if !(0.0..=1.0).contains(&ratio) => Err(InitError::InvalidArgument {
                argument: "sampler",
                value: ratio.to_string(),
                expected: "a ratio from 0.0 to 1.0".to_owned(),
            }),
            _ => Ok(choice),
        };
    }
    let default = SamplerChoice::ParentBasedAlwaysOn;
    let choice = reader.choose(
        &[VARIABLE],
        default,
        |c| c.as_str().to_owned(),
        |_, text| match text.to_ascii_lowercase().as_str() {
            "always_on" => Parsed::Good(SamplerChoice::AlwaysOn),
            "always_off" => Parsed::Good(SamplerChoice::AlwaysOff),
            "traceidratio" => Parsed::Good(SamplerChoice::TraceIdRatio(1.0)),
            "parentbased_always_on" => Parsed::Good(SamplerChoice::ParentBasedAlwaysOn),
            "parentbased_always_off" => Parsed::Good(SamplerChoice::ParentBasedAlwaysOff),
            "parentbased_traceidratio" => Parsed::Good(SamplerChoice::ParentBasedTraceIdRatio(1.0)),
            "jaeger_remote" | "parentbased_jaeger_remote" | "xray" => {
                Parsed::Bad(format!("{SUPPORTED}: this sampler is not supported"))
            }
            _ => Parsed::Bad(SUPPORTED.to_owned()),
        },
    );
    Ok(with_argument(choice, reader))
}

fn with_argument(choice: SamplerChoice, reader: &mut Reader<'_>) -> SamplerChoice {
    if choice.ratio().is_none() {
        // Nothing to say if the sampler itself was at fault: one report for one mistake.
        let reported = reader
            .diagnostics
            .as_slice()
            .iter()
            .any(|diagnostic| diagnostic.name == VARIABLE);
        if !reported && let Some(text) = reader.text(ARGUMENT) {
            let advice = format!(
                "the sampler `{}` takes no argument: this one is ignored; set `{VARIABLE}` to `parentbased_traceidratio` for a ratio",
                choice.as_str()
            );
            reader.report(ARGUMENT, shown(&text), advice);
        }
        return choice;
    }
    let ratio = reader.choose(&[ARGUMENT], 1.0, f64::to_string, |_, text| {
        match text.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Parsed::Good(ratio),
            _ => Parsed::Bad("a ratio from 0.0 to 1.0".to_owned()),
        }
    });
    match choice {
        SamplerChoice::TraceIdRatio(_) => SamplerChoice::TraceIdRatio(ratio),
        SamplerChoice::ParentBasedTraceIdRatio(_) => SamplerChoice::ParentBasedTraceIdRatio(ratio),
        other => other,
    }
}

impl SamplerChoice {
    /// The name that `OTEL_TRACES_SAMPLER` knows it by.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AlwaysOn => "always_on",
            Self::AlwaysOff => "always_off",
            Self::TraceIdRatio(_) => "traceidratio",
            Self::ParentBasedAlwaysOn => "parentbased_always_on",
            Self::ParentBasedAlwaysOff => "parentbased_always_off",
            Self::ParentBasedTraceIdRatio(_) => "parentbased_traceidratio",
        }
    }

    const fn ratio(self) -> Option<f64> {
        match self {
            Self::TraceIdRatio(ratio) | Self::ParentBasedTraceIdRatio(ratio) => Some(ratio),
            _ => None,
        }
    }
}

/// The official sampler for a choice.
pub(crate) fn build(choice: SamplerChoice) -> Sampler {
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    match choice {
        SamplerChoice::AlwaysOn => Sampler::AlwaysOn,
        SamplerChoice::AlwaysOff => Sampler::AlwaysOff,
        SamplerChoice::TraceIdRatio(ratio) => Sampler::TraceIdRatioBased(ratio),
        SamplerChoice::ParentBasedAlwaysOn => parent_based(Sampler::AlwaysOn),
        SamplerChoice::ParentBasedAlwaysOff => parent_based(Sampler::AlwaysOff),
        SamplerChoice::ParentBasedTraceIdRatio(ratio) => {
            parent_based(Sampler::TraceIdRatioBased(ratio))
        }
    }
}
