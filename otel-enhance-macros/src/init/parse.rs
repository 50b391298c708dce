//! The arguments of `init!`, one by one. Their types are checked as far as a literal shows them;
//! what their values must be is the builder's to say, in an `InitError`.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Ident, Lit, token};

use super::model::Pipeline;
use super::{choices, durations, ebpf, lists, performance, simd, tracezip};
use crate::arguments::{self, Errors, Given};

/// Every argument, in the order of the documentation.
const KNOWN: [&str; 26] = [
    "service",
    "version",
    "environment",
    "resource",
    "exporter",
    "endpoint",
    "headers",
    "compression",
    "timeout",
    "tls",
    "sampler",
    "propagators",
    "batch",
    "limits",
    "processor",
    "end_processor",
    "error_handler",
    "shutdown_timeout",
    "signals",
    "simple",
    "ebpf",
    "simd",
    "tracezip",
    "enterprise",
    "performance",
    "semconv",
];

/// Reads all arguments; what is wrong goes to `errors`, what is right is in the result all the same.
pub(crate) fn arguments(
    facade: &TokenStream,
    tokens: TokenStream,
    errors: &mut Errors,
) -> Pipeline {
    let mut pipeline = Pipeline::default();
    let mut given = Given::default();
    let read = |input: ParseStream<'_>| {
        arguments::each(input, errors, |input, errors| {
            one(input, facade, &mut pipeline, &mut given, errors)
        });
        Ok(())
    };
    if let Err(error) = read.parse2(tokens) {
        errors.push(error);
    }
    pipeline
}

fn one(
    input: ParseStream<'_>,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
    given: &mut Given,
    errors: &mut Errors,
) -> syn::Result<()> {
    let key = arguments::key(input, "service = \"checkout\"")?;
    let word = key.unraw().to_string();
    if !KNOWN.contains(&word.as_str()) {
        return Err(unknown(&key, &word));
    }
    // Processors add up, each with its own argument.
    if !matches!(word.as_str(), "processor" | "end_processor") {
        given.once(&key)?;
    }
    if matches!(
        word.as_str(),
        "endpoint" | "headers" | "compression" | "timeout" | "tls"
    ) {
        pipeline.otlp_only.push(key.clone());
    }
    let at = key.span();
    match word.as_str() {
        "service" => {
            let value = text(input, &key, "service = \"checkout\"")?;
            pipeline.call("with_service_name", at, value);
        }
        "version" => {
            let value = text(input, &key, "version = env!(\"CARGO_PKG_VERSION\")")?;
            pipeline.call("with_service_version", at, value);
        }
        "environment" => {
            let value = text(input, &key, "environment = \"production\"")?;
            pipeline.call("with_environment", at, value);
        }
        "resource" => lists::resource(input, &key, facade, pipeline, errors)?,
        "exporter" => choices::exporter(input, &key, facade, pipeline)?,
        "endpoint" => {
            let value = text(input, &key, "endpoint = \"http://localhost:4318\"")?;
            pipeline.call("with_endpoint", at, value);
        }
        "headers" => lists::headers(input, &key, pipeline, errors)?,
        "compression" => choices::compression(input, &key, facade, pipeline)?,
        "timeout" => {
            let value = durations::duration(input, &key)?;
            pipeline.call("with_timeout", at, value);
        }
        "tls" => lists::tls(input, &key, pipeline, errors)?,
        "sampler" => choices::sampler(input, &key, facade, pipeline)?,
        "propagators" => choices::propagators(input, &key, facade, pipeline, errors)?,
        "batch" => lists::batch(input, &key, pipeline, errors)?,
        "limits" => lists::limits(input, &key, pipeline, errors)?,
        "processor" => {
            let value = value(input, &key, "processor = MyProcessor::new()")?;
            pipeline.call("with_span_processor", at, value);
        }
        "end_processor" => {
            let value = value(input, &key, "end_processor = MyProcessor::new()")?;
            pipeline.call("with_end_processor", at, value);
        }
        "error_handler" => {
            let value = value(input, &key, "error_handler = |message| log(message)")?;
            pipeline.call("with_error_handler", at, value);
        }
        "shutdown_timeout" => {
            let value = durations::duration(input, &key)?;
            pipeline.call("with_shutdown_timeout", at, value);
        }
        "signals" => {
            arguments::flag(input, &key)?;
            pipeline.call("with_signal_handler", at, quote!());
        }
        "simple" => {
            arguments::flag(input, &key)?;
            pipeline.simple = Some(at);
        }
        "ebpf" => ebpf::ebpf(input, &key, facade, pipeline, errors)?,
        "simd" => simd::simd(input, &key, pipeline, errors)?,
        "tracezip" => tracezip::tracezip(input, &key, pipeline, errors)?,
        "performance" => performance::performance(input, &key, facade, pipeline, errors)?,
        extension => extend(input, &key, extension, pipeline)?,
    }
    Ok(())
}

/// An extension that no build has yet, with settings or without: the facade says so.
fn extend(
    input: ParseStream<'_>,
    key: &Ident,
    extension: &str,
    pipeline: &mut Pipeline,
) -> syn::Result<()> {
    if input.peek(token::Paren) {
        input.parse::<TokenTree>()?;
    }
    arguments::flag(input, key)?;
    if let Some(what) = KNOWN.iter().find(|known| **known == extension) {
        pipeline.require(what, key.span());
    }
    Ok(())
}

fn value(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<TokenStream> {
    arguments::equals(input, key, example)?;
    let value = arguments::expression(input)?;
    Ok(quote!(#value))
}

/// Reads `= text`: an expression that is no literal of another type.
pub(crate) fn text(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<TokenStream> {
    arguments::equals(input, key, example)?;
    let value = arguments::expression(input)?;
    match arguments::literal(&value) {
        None | Some(Lit::Str(_)) => Ok(quote!(#value)),
        Some(other) => Err(Error::new_spanned(
            other,
            format!(
                "expected a string, found {}: write `{example}`",
                arguments::describe(other)
            ),
        )),
    }
}

/// Reads `= number`: an expression that is no literal of another type.
pub(crate) fn number(input: ParseStream<'_>, key: &Ident) -> syn::Result<TokenStream> {
    let example = format!("{key} = 1024");
    arguments::equals(input, key, &example)?;
    let value = arguments::expression(input)?;
    match arguments::literal(&value) {
        None | Some(Lit::Int(_)) => Ok(quote!(#value)),
        Some(other) => Err(Error::new_spanned(
            other,
            format!(
                "expected an integer, found {}: write `{example}`",
                arguments::describe(other)
            ),
        )),
    }
}

/// Words that other SDKs and the environment use have their place here under another name.
fn unknown(key: &Ident, word: &str) -> Error {
    let hint = match word {
        "service_name" | "name" => "the service is named by `service = \"…\"`",
        "service_version" => "the service's version is given by `version = \"…\"`",
        "env" | "deployment" | "stage" => "the environment is named by `environment = \"…\"`",
        "attributes" | "resource_attributes" | "labels" | "tags" => {
            "attributes of the resource are given by `resource(key = value)`"
        }
        "protocol" | "transport" => {
            "the protocol is chosen by the exporter: `exporter = otlp_http` or `exporter = otlp_grpc`"
        }
        "otlp_http" | "otlp_json" | "otlp_grpc" | "stdout" | "none" | "otlp" | "console" => {
            "write `exporter = otlp_http`, `otlp_grpc`, `stdout` or `none`"
        }
        "url" | "uri" | "host" | "address" | "collector" => {
            "the address is given by `endpoint = \"http://localhost:4318\"`"
        }
        "header" | "metadata" => "headers are given by `headers(name = value)`",
        "ratio" | "sample" | "sampling" | "sample_rate" | "always_on" | "always_off" => {
            "the sampler is given by `sampler = ratio(0.1)`"
        }
        "max_queue_size" | "max_export_batch_size" | "scheduled_delay" | "export_timeout" => {
            return Error::new_spanned(
                key,
                format!("`{word}` belongs in `batch`: write `batch({word} = …)`"),
            );
        }
        "attributes_per_span"
        | "events_per_span"
        | "links_per_span"
        | "attributes_per_event"
        | "attributes_per_link"
        | "attribute_value_length" => {
            return Error::new_spanned(
                key,
                format!("`{word}` belongs in `limits`: write `limits({word} = …)`"),
            );
        }
        "red_metrics" | "red_max_series" => {
            return Error::new_spanned(
                key,
                format!("`{word}` belongs in `simd`: write `simd({word} = …)`"),
            );
        }
        "fleet_key" => {
            return Error::new_spanned(
                key,
                format!("`{word}` belongs in `tracezip`: write `tracezip({word} = …)`"),
            );
        }
        "ca" | "cert" | "key" | "certificate" | "client_key" | "client_certificate" => {
            "certificates and keys are given by `tls(ca = …, cert = …, key = …)`"
        }
        "gzip" | "zstd" => "compression is chosen by `compression = gzip` or `compression = zstd`",
        "tracecontext" | "baggage" | "propagator" => {
            "propagators are given by `propagators(tracecontext, baggage)`"
        }
        _ => return arguments::unknown(key, &KNOWN),
    };
    Error::new_spanned(key, format!("unknown argument `{word}`: {hint}"))
}
