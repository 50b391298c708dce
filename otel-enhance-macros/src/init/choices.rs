//! Arguments whose value is one of some words, or an expression: `exporter`, `compression`,
//! `sampler`, `propagators`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Ident, Lit, Token};

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

/// `exporter = otlp_http | otlp_grpc | stdout | none | <expression>`.
pub(crate) fn exporter(
    input: ParseStream<'_>,
    key: &Ident,
    pipeline: &mut Pipeline,
) -> syn::Result<()> {
    const KNOWN: [&str; 4] = ["otlp_http", "otlp_grpc", "stdout", "none"];
    arguments::equals(input, key, "exporter = otlp_http")?;
    let value = arguments::expression(input)?;
    let at = value.span();
    let destination = match word(&value).as_deref() {
        Some("otlp_http") => {
            pipeline.require("otlp_http", at);
            pipeline.call("with_otlp_http", at, quote!());
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

/// `ratio(1)` is a share too: an integer literal becomes a float.
fn float(value: &Expr) -> syn::Result<TokenStream> {
    match arguments::literal(value) {
        Some(Lit::Int(int)) => {
            let number = int.base10_parse::<u32>()?;
            let lit = proc_macro2::Literal::f64_suffixed(f64::from(number));
            Ok(quote!(#lit))
        }
        Some(Lit::Float(_)) | None => Ok(quote!(#value)),
        Some(other) => Err(Error::new_spanned(
            other,
            format!(
                "expected the share of the traces to keep, from 0.0 to 1.0, found {}",
                arguments::describe(other)
            ),
        )),
    }
}

/// `propagators(tracecontext, baggage)`, or `propagators(none)`.
pub(crate) fn propagators(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    const KNOWN: [&str; 3] = ["tracecontext", "baggage", "none"];
    super::lists::parentheses(input, key, "propagators(tracecontext, baggage)")?;
    let mut chosen: Vec<TokenStream> = Vec::new();
    let mut given: Vec<String> = Vec::new();
    arguments::list(input, errors, |input, _| {
        let word = arguments::key(input, "tracecontext")?;
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(input.error("`propagators` takes words alone"));
        }
        let at = word.span();
        let text = word.to_string();
        match text.as_str() {
            "tracecontext" => {
                chosen.push(quote_spanned!(at=> #facade::config::Propagator::TraceContext));
            }
            "baggage" => chosen.push(quote_spanned!(at=> #facade::config::Propagator::Baggage)),
            "none" => {}
            _ => {
                return Err(Error::new_spanned(
                    &word,
                    format!(
                        "unknown propagator `{text}`: {}",
                        suggest::advice(&text, &KNOWN)
                    ),
                ));
            }
        }
        if given.contains(&text) {
            return Err(Error::new_spanned(word, format!("`{text}` is given twice")));
        }
        if !given.is_empty() && (text == "none" || given.contains(&"none".to_owned())) {
            return Err(Error::new_spanned(
                word,
                "`none` and other propagators contradict each other",
            ));
        }
        given.push(text);
        Ok(())
    })?;
    pipeline.call("with_propagators", key.span(), quote!([#(#chosen),*]));
    Ok(())
}
