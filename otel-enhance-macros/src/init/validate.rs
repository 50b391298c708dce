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
    for (method, shorter, longer) in [
        ("with_max_queue_size", "queue", "max_queue_size"),
        (
            "with_max_export_batch_size",
            "batch",
            "max_export_batch_size",
        ),
    ] {
        let mut calls = pipeline.calls.iter().filter(|call| call.method == method);
        if let (Some(_), Some(again)) = (calls.next(), calls.next()) {
            errors.at_span(
                again.method.span(),
                format!(
                    "`performance({shorter} = …)` and `batch({longer} = …)` are the same setting: give one"
                ),
            );
        }
    }
    let mut endpoints = pipeline
        .calls
        .iter()
        .filter(|call| call.method == "with_endpoint");
    if let (Some(_), Some(again)) = (endpoints.next(), endpoints.next()) {
        errors.at_span(
            again.method.span(),
            "`endpoint` and `tracezip(endpoint = …)` are the same setting: give one",
        );
    }
    let call = |method: &str| pipeline.calls.iter().find(|call| call.method == method);
    if let (Some(_), Some(several)) = (call("with_endpoint"), call("with_endpoints")) {
        errors.at_span(
            several.method.span(),
            "`endpoint` and `performance(endpoints = …)` contradict each other: put all of them into the list",
        );
    }
    if let (Some(batch), Some(_)) = (pipeline.batch, pipeline.simple) {
        errors.at_span(
            batch,
            "`batch` and `simple` contradict each other: a simple pipeline exports each span as it ends",
        );
    }
}
