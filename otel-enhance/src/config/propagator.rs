//! The propagators: `OTEL_PROPAGATORS`.

use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

use super::env::{Reader, shown};
use super::percent;
use super::settings::{Overrides, Propagator};

const VARIABLE: &str = "OTEL_PROPAGATORS";
const DEFAULT: [Propagator; 2] = [Propagator::TraceContext, Propagator::Baggage];

/// Code over environment over W3C trace context and baggage; each at most once.
pub(crate) fn resolve(code: &Overrides, reader: &mut Reader<'_>) -> Vec<Propagator> {
    if let Some(propagators) = &code.propagators {
        return deduplicated(propagators);
    }
    let Some(list) = reader.text(VARIABLE) else {
        return DEFAULT.to_vec();
    };
    let mut chosen = Vec::new();
    let mut faults = Vec::new();
    let mut none = None;
    for member in percent::members(&list) {
        match member.to_ascii_lowercase().as_str() {
            "tracecontext" => chosen.push(Propagator::TraceContext),
            "baggage" => chosen.push(Propagator::Baggage),
            "none" => none = Some(member),
            "b3" | "b3multi" | "jaeger" | "xray" | "ottrace" => faults.push((
                member,
                "expected `tracecontext`, `baggage` or `none`: this propagator is not supported",
            )),
            _ => faults.push((member, "expected `tracecontext`, `baggage` or `none`")),
        }
    }
    let chosen = match (chosen.is_empty(), none) {
        (true, Some(_)) => Vec::new(),
        (true, None) => DEFAULT.to_vec(),
        (false, None) => deduplicated(&chosen),
        (false, Some(member)) => {
            faults.push((member, "expected `none` alone or other propagators"));
            deduplicated(&chosen)
        }
    };
    let held = match chosen.as_slice() {
        [] => "none".to_owned(),
        chosen => chosen
            .iter()
            .map(|propagator| propagator.as_str())
            .collect::<Vec<_>>()
            .join(","),
    };
    for (member, advice) in faults {
        reader.report(VARIABLE, shown(member), format!("{advice}; `{held}` holds"));
    }
    chosen
}

fn deduplicated(propagators: &[Propagator]) -> Vec<Propagator> {
    let mut unique = Vec::new();
    for propagator in propagators {
        if !unique.contains(propagator) {
            unique.push(*propagator);
        }
    }
    unique
}

impl Propagator {
    /// The name that `OTEL_PROPAGATORS` knows it by.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TraceContext => "tracecontext",
            Self::Baggage => "baggage",
        }
    }
}

/// The official propagators as one; an empty one propagates nothing.
pub(crate) fn build(propagators: &[Propagator]) -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(
        propagators
            .iter()
            .map(|propagator| -> Box<dyn TextMapPropagator + Send + Sync> {
                match propagator {
                    Propagator::TraceContext => Box::new(TraceContextPropagator::new()),
                    Propagator::Baggage => Box::new(BaggagePropagator::new()),
                }
            })
            .collect(),
    )
}
