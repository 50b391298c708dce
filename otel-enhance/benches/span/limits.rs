//! What the project promises of a row, for `--strict`.

use crate::worker::{Implementation, State};

/// A row in the measure of others.
pub(crate) struct Measured {
    pub(crate) to_sdk: Option<f64>,
    pub(crate) to_tracing: Option<f64>,
    pub(crate) to_fastrace: Option<f64>,
    pub(crate) over_plain: Option<f64>,
    /// Of the SDK's instructions.
    pub(crate) instructions: Option<f64>,
}

/// The limits that a row misses.
pub(crate) fn missed(
    measured: &Measured,
    state: State,
    case: &str,
    implementation: &Implementation,
) -> Vec<String> {
    let over = |value: Option<f64>, limit: f64, of: &str| {
        let value = value.filter(|value| *value > limit)?;
        Some(format!("{value:.3} {of}, at most {limit}"))
    };
    let to_sdk = |limit| over(measured.to_sdk, limit, "of the SDK by hand");
    let off = |limit| over(measured.over_plain, limit, "ns over the plain function");
    let is_bare = implementation.baseline == "sdk";
    let missed = if implementation.name.starts_with("enhanced") {
        match state {
            State::Nothing => vec![off(1.0)],
            // The SDK's spans have ids of their own.
            State::Inherited => vec![],
            State::Recording | State::NotSampled => vec![
                to_sdk(1.05),
                over(measured.to_tracing, 0.40, "of tracing-opentelemetry").filter(|_| is_bare),
            ],
        }
    } else if implementation.name.starts_with("performance") {
        match state {
            State::Nothing => vec![off(1.0)],
            State::Inherited => vec![off(15.0)],
            State::NotSampled => vec![to_sdk(0.45)],
            State::Recording => {
                let of_fastrace = match case {
                    // fastrace attaches no official context below the outermost span.
                    "nested_2" => None,
                    "nested_10" => Some(1.6),
                    _ => Some(1.0),
                };
                let of_fastrace = of_fastrace.filter(|_| is_bare);
                vec![
                    to_sdk(0.40),
                    over(measured.instructions, 0.42, "of the SDK's instructions"),
                    of_fastrace.and_then(|limit| over(measured.to_fastrace, limit, "of fastrace")),
                ]
            }
        }
    } else {
        vec![]
    };
    missed.into_iter().flatten().collect()
}
