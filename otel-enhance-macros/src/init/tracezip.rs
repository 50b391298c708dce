//! `tracezip`, with settings or without.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Error, Expr, Ident, Lit, token};

use super::lists::{self, Setting, Value};
use super::model::Pipeline;
use crate::arguments::{self, Errors};

const SETTINGS: [Setting; 3] = [
    ("level", "with_tracezip_level", Value::Number),
    ("endpoint", "with_endpoint", Value::Text),
    ("fleet_key", "with_tracezip_fleet_key", Value::Secret),
];

const EXAMPLE: &str = "fleet_key = env(\"TRACEZIP_FLEET_KEY\")";

/// `tracezip`, `tracezip(level = 7, endpoint = "https://gateway:4318", fleet_key = env("TRACEZIP_FLEET_KEY"))`.
pub(crate) fn tracezip(
    input: ParseStream<'_>,
    key: &Ident,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    pipeline.require("tracezip", key.span());
    pipeline.otlp_only.push(key.clone());
    if input.peek(token::Paren) {
        lists::settings(input, key, EXAMPLE, &SETTINGS, pipeline, errors)?;
    } else {
        arguments::flag(input, key)?;
    }
    pipeline.call("with_tracezip_compression", key.span(), quote!(true));
    Ok(())
}

/// A secret, and the method that takes it: `env("VARIABLE")` is read when the pipeline is installed, another
/// expression is the secret itself. A literal would be in every copy of the program.
pub(crate) fn secret(
    input: ParseStream<'_>,
    key: &Ident,
    method: &str,
) -> syn::Result<(Ident, TokenStream)> {
    let wrong = |at: &dyn quote::ToTokens| {
        Err(Error::new_spanned(
            at,
            format!(
                "`{key}` is a secret, which does not belong in the program: write `{key} = env(\"VARIABLE\")`"
            ),
        ))
    };
    arguments::equals(input, key, EXAMPLE)?;
    let value = arguments::expression(input)?;
    if let Some(literal) = arguments::literal(&value) {
        return wrong(literal);
    }
    let Some(arguments) = environment(&value) else {
        return Ok((named(method, key.span()), quote!(#value)));
    };
    match &arguments[..] {
        [name] => match arguments::literal(name) {
            None | Some(Lit::Str(_)) => Ok((
                named(&format!("{method}_variable"), key.span()),
                quote!(#name),
            )),
            Some(other) => Err(Error::new_spanned(
                other,
                format!(
                    "expected the name of a variable, found {}: write `{EXAMPLE}`",
                    arguments::describe(other)
                ),
            )),
        },
        _ => Err(Error::new_spanned(
            &value,
            format!("`env` takes the name of one variable: write `{EXAMPLE}`"),
        )),
    }
}

fn named(method: &str, span: Span) -> Ident {
    Ident::new(method, span)
}

/// The arguments of `env(…)`.
fn environment(value: &Expr) -> Option<Vec<&Expr>> {
    match value {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) if path.path.is_ident("env") => Some(call.args.iter().collect()),
            _ => None,
        },
        Expr::Group(group) => environment(&group.expr),
        _ => None,
    }
}
