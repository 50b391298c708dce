//! How the arguments of `init!` go together.

use super::model::{Destination, Pipeline};
use crate::arguments::Errors;

pub(crate) fn validate(pipeline: &Pipeline, errors: &mut Errors) {
    let elsewhere = match pipeline.destination {
        None | Some(Destination::Otlp) => None,
        Some(Destination::Stdout) => Some("`exporter = stdout` sends none"),
        Some(Destination::None) => Some("`exporter = none` sends none"),
        Some(Destination::Custom) => Some("the exporter given in code has its own settings"),
    };
    if let Some(elsewhere) = elsewhere {
        for key in &pipeline.otlp_only {
            errors.at(
                key,
                format!("`{key}` is about the OTLP that is sent, and {elsewhere}"),
            );
        }
    }
    if let (Some(batch), Some(_)) = (pipeline.batch, pipeline.simple) {
        errors.at_span(
            batch,
            "`batch` and `simple` contradict each other: a simple pipeline exports each span as it ends",
        );
    }
}
