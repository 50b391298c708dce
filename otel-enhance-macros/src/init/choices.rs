//! Arguments whose value is one of some words, or an expression: `exporter`, `compression`,
//! `sampler`, `propagators`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Ident, Lit};

use super::model::{Destination, Pipeline};
use crate::arguments::{self, Errors};
use crate::suggest;

/// The word that an expression is, if it is a single one.
fn word(value: &Expr) -> Option<String> {
    match value {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        Expr::Group(group) => word(&group.expr),
        _ => None,
    }
}

/// Refuses a word that is nearly a known one, and literals, which no choice is.
fn refuse(key: &Ident, value: &Expr, known: &[&str], other: &str) -> syn::Result<()> {
    if let Some(lit) = arguments::literal(value) {
        let quoted = match lit {
            Lit::Str(text) => text.value(),
            _ => String::new(),
        };
        let advice = if known.contains(&quoted.as_str()) {
            format!("write `{key} = {quoted}` without quotes")
        } else {
            format!("expected {}, or {other}", suggest::list(known))
        };
        return Err(Error::new_spanned(
            lit,
            format!("`{key}` is no literal: {advice}"),
        ));
    }
    let Some(word) = word(value) else {
        return Ok(());
    };
    let near = match word.as_str() {
        "otlp" | "http" if known.contains(&"otlp_http") => Some("otlp_http"),
        "grpc" if known.contains(&"otlp_grpc") => Some("otlp_grpc"),
        "console" if known.contains(&"stdout") => Some("stdout"),
        word => suggest::nearest(word, known),
    };
    match near {
        Some(near) => Err(Error::new_spanned(
            value,
            format!(
                "unknown {key} `{word}`: did you mean `{near}`? For a variable of this name write `{key} = ({word})`"
            ),
        )),
        None => Ok(()),
    }
}

/// `exporter = otlp_http | otlp_json | otlp_grpc | stdout | none | <expression>`.
pub(crate) fn exporter(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
) -> syn::Result<()> {
    const KNOWN: [&str; 5] = ["otlp_http", "otlp_json", "otlp_grpc", "stdout", "none"];
    arguments::equals(input, key, "exporter = otlp_http")?;
    let value = arguments::expression(input)?;
    let at = value.span();
    let destination = match word(&value).as_deref() {
        Some("otlp_http") => {
            pipeline.require("otlp_http", at);
            pipeline.call("with_otlp_http", at, quote!());
            Destination::Otlp
        }
        Some("otlp_json") => {
            pipeline.require("otlp_json", at);
            let protocol = quote_spanned!(at=> #facade::config::Protocol::HttpJson);
            pipeline.call("with_protocol", at, protocol);
            Destination::Otlp
        }
        Some("otlp_grpc") => {
            pipeline.require("otlp_grpc", at);
            pipeline.call("with_otlp_grpc", at, quote!());
            Destination::Otlp
        }
        Some("stdout") => {
            pipeline.call("with_stdout_exporter", at, quote!());
            Destination::Stdout
        }
        Some("none") => {
            pipeline.call("with_no_exporter", at, quote!());
            Destination::None
        }
        _ => {
            refuse(
                key,
                &value,
                &KNOWN,
                "an expression that is a `SpanExporter`",
            )?;
            let value = unparenthesized(value);
            // Made where exporters work: on the pipeline's own thread, inside its runtime.
            pipeline.call("with_exporter_fn", key.span(), quote!(move || #value));
            Destination::Custom
        }
    };
    pipeline.destination = Some(destination);
    Ok(())
}

/// `exporter = (name)` keeps no parentheses, which the compiler would call needless.
fn unparenthesized(value: Expr) -> Expr {
    match value {
        Expr::Paren(paren) => unparenthesized(*paren.expr),
        other => other,
    }
}

/// `compression = gzip | zstd | none | <expression>`.
pub(crate) fn compression(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
) -> syn::Result<()> {
    const KNOWN: [&str; 3] = ["gzip", "zstd", "none"];
    arguments::equals(input, key, "compression = gzip")?;
    let value = arguments::expression(input)?;
    let at = value.span();
    let chosen = match word(&value).as_deref() {
        Some("gzip") => {
            pipeline.require("gzip", at);
            quote_spanned!(at=> #facade::config::Compression::Gzip)
        }
        Some("zstd") => {
            pipeline.require("zstd", at);
            quote_spanned!(at=> #facade::config::Compression::Zstd)
        }
        Some("none") => quote_spanned!(at=> #facade::config::Compression::None),
        _ => {
            refuse(key, &value, &KNOWN, "an expression of type `Compression`")?;
            let value = unparenthesized(value);
            quote!(#value)
        }
    };
    pipeline.call("with_compression", key.span(), chosen);
    Ok(())
}

/// `sampler = always_on | always_off | ratio(0.1) | parent_based(…) | <expression>`.
pub(crate) fn sampler(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
) -> syn::Result<()> {
    arguments::equals(input, key, "sampler = parent_based(ratio(0.1))")?;
    let value = arguments::expression(input)?;
    if let Some(share) = parent_based_ratio(&value) {
        let share = float(share)?;
        pipeline.call("with_sampling_ratio", key.span(), share);
        return Ok(());
    }
    let chosen = match named_sampler(&value, facade)? {
        Some(named) => named,
        None => {
            const KNOWN: [&str; 4] = ["always_on", "always_off", "ratio", "parent_based"];
            refuse(
                key,
                &value,
                &KNOWN,
                "an expression that is a `ShouldSample`",
            )?;
            let value = unparenthesized(value);
            quote!(#value)
        }
    };
    pipeline.call("with_sampler", key.span(), chosen);
    Ok(())
}

/// The `share` of `parent_based(ratio(share))`, which the builder has a method of its own for.
fn parent_based_ratio(value: &Expr) -> Option<&Expr> {
    only_operand(only_operand(value, "parent_based")?, "ratio")
}

fn only_operand<'a>(value: &'a Expr, function: &str) -> Option<&'a Expr> {
    match value {
        Expr::Call(call)
            if call.args.len() == 1 && word(&call.func).as_deref() == Some(function) =>
        {
            call.args.first()
        }
        _ => None,
    }
}

fn named_sampler(value: &Expr, facade: &TokenStream) -> syn::Result<Option<TokenStream>> {
    let at = value.span();
    if let Some(word) = word(value) {
        return match word.as_str() {
            "always_on" => Ok(Some(
                quote_spanned!(at=> #facade::sdk::trace::Sampler::AlwaysOn),
            )),
            "always_off" => Ok(Some(
                quote_spanned!(at=> #facade::sdk::trace::Sampler::AlwaysOff),
            )),
            "ratio" => Err(Error::new_spanned(
                value,
                "`ratio` lacks the share of the traces to keep: write `sampler = ratio(0.1)`",
            )),
            "parent_based" => Err(Error::new_spanned(
                value,
                "`parent_based` lacks the sampler of root spans: write `sampler = parent_based(ratio(0.1))`",
            )),
            _ => Ok(None),
        };
    }
    let Expr::Call(call) = value else {
        return Ok(None);
    };
    let Some(word) = word(&call.func) else {
        return Ok(None);
    };
    match (word.as_str(), call.args.first(), call.args.len()) {
        ("ratio", Some(share), 1) => {
            let share = float(share)?;
            Ok(Some(
                quote_spanned!(at=> #facade::sdk::trace::Sampler::TraceIdRatioBased(#share)),
            ))
        }
        ("parent_based", Some(root), 1) => {
            let Some(root) = named_sampler(root, facade)? else {
                return Err(Error::new_spanned(
                    root,
                    "expected `always_on`, `always_off` or `ratio(0.1)` as the sampler of root spans",
                ));
            };
            Ok(Some(quote_spanned!(
                at=> #facade::sdk::trace::Sampler::ParentBased(::std::boxed::Box::new(#root))
            )))
        }
        ("ratio", _, _) => Err(Error::new_spanned(
            value,
            "`ratio` takes the share of the traces to keep: write `sampler = ratio(0.1)`",
        )),
        ("parent_based", _, _) => Err(Error::new_spanned(
            value,
            "`parent_based` takes the sampler of root spans: write `sampler = parent_based(ratio(0.1))`",
        )),
        ("always_on" | "always_off", _, _) => Err(Error::new_spanned(
            &call.args,
            format!("`{word}` takes no value: write `sampler = {word}`"),
        )),
        (word, _, _) => match suggest::nearest(word, &["ratio", "parent_based"]) {
            Some(near) => Err(Error::new_spanned(
                &call.func,
                format!(
                    "unknown sampler `{word}`: did you mean `{near}`? For a function of this name write `sampler = ({word}(…))`"
                ),
            )),
            None => Ok(None),
        },
    }
}

/// The share of the traces to keep. An integer literal becomes a float.
fn float(value: &Expr) -> syn::Result<TokenStream> {
    let wrong = |found: &str| {
        Err(Error::new_spanned(
            value,
            format!("expected the share of the traces to keep, from 0.0 to 1.0, found {found}"),
        ))
    };
    let (share, tokens) = match arguments::literal(value) {
        Some(Lit::Int(int)) => {
            let share = f64::from(int.base10_parse::<u32>()?);
            let mut tokens = proc_macro2::Literal::f64_suffixed(share);
            tokens.set_span(int.span());
            (share, quote!(#tokens))
        }
        Some(Lit::Float(float)) => (float.base10_parse()?, quote!(#value)),
        None => return Ok(quote!(#value)),
        Some(other) => return wrong(arguments::describe(other)),
    };
    if share > 1.0 {
        return wrong(&share.to_string());
    }
    Ok(tokens)
}

/// `propagators(tracecontext, baggage, MyPropagator::new())`, or `propagators(none)`.
pub(crate) fn propagators(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    super::lists::parentheses(input, key, "propagators(tracecontext, baggage)")?;
    let mut given: Vec<String> = Vec::new();
    let mut is_empty = true;
    arguments::list(input, errors, |input, _| {
        is_empty = false;
        let value = arguments::expression(input)?;
        let name = word(&value).unwrap_or_else(|| quote!(#value).to_string());
        if given.contains(&name) {
            return Err(Error::new_spanned(
                value,
                format!("`{name}` is given twice"),
            ));
        }
        if !given.is_empty() && (name == "none" || given.contains(&"none".to_owned())) {
            return Err(Error::new_spanned(
                value,
                "`none` and other propagators contradict each other",
            ));
        }
        propagator(value, facade, pipeline)?;
        given.push(name);
        Ok(())
    })?;
    if is_empty {
        errors.at(
            key,
            "`propagators` names none: write `propagators(none)` to carry no context between services",
        );
    }
    Ok(())
}

fn propagator(value: Expr, facade: &TokenStream, pipeline: &mut Pipeline) -> syn::Result<()> {
    const KNOWN: [&str; 3] = ["tracecontext", "baggage", "none"];
    let at = value.span();
    let made = match word(&value).as_deref() {
        Some("none") => {
            pipeline.call("with_no_propagators", at, quote!());
            return Ok(());
        }
        Some("tracecontext") => {
            quote_spanned!(at=> #facade::sdk::propagation::TraceContextPropagator::new())
        }
        Some("baggage") => {
            quote_spanned!(at=> #facade::sdk::propagation::BaggagePropagator::new())
        }
        Some(other) => {
            let end = match suggest::nearest(other, &KNOWN) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected {}.", suggest::list(&KNOWN)),
            };
            return Err(Error::new_spanned(
                &value,
                format!(
                    "unknown propagator `{other}`: {end} For a variable of this name write `({other})`"
                ),
            ));
        }
        None => {
            if let Some(lit) = arguments::literal(&value) {
                return Err(Error::new_spanned(
                    lit,
                    format!(
                        "a propagator is no literal: expected {}, or an expression that is a `TextMapPropagator`",
                        suggest::list(&KNOWN)
                    ),
                ));
            }
            let value = unparenthesized(value);
            quote!(#value)
        }
    };
    pipeline.call("with_propagator", at, made);
    Ok(())
}
