//! `performance`, with settings or without.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::ParseStream;
use syn::{Error, Ident, Lit, token};

use super::lists::{self, Setting, Value};
use super::model::Pipeline;
use crate::arguments::{self, Errors};
use crate::suggest;

pub(crate) const SETTINGS: [Setting; 10] = [
    ("endpoints", "with_endpoints", Value::Urls),
    ("queue", "with_max_queue_size", Value::Number),
    ("queue_bytes", "with_max_queue_bytes", Value::Number),
    ("batch", "with_max_export_batch_size", Value::Number),
    ("batch_bytes", "with_max_export_batch_bytes", Value::Number),
    ("in_flight", "with_max_exports_in_flight", Value::Number),
    ("drop", "with_drop_policy", Value::Drop),
    ("deadline", "with_drop_policy", Value::Deadline),
    ("ordered", "with_ordered_exports", Value::Bool),
    ("unsampled", "with_unsampled_id", Value::Unsampled),
];

/// `performance`, `performance(in_flight = 4, drop = "oldest")`.
pub(crate) fn performance(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    pipeline.require("performance", key.span());
    pipeline.call("with_performance", key.span(), quote!());
    if !input.peek(token::Paren) {
        return arguments::flag(input, key);
    }
    let first = pipeline.calls.len();
    lists::settings_of(
        input,
        key,
        "in_flight = 8",
        &SETTINGS,
        facade,
        pipeline,
        errors,
    )?;
    block_with_its_deadline(first, facade, pipeline, errors);
    Ok(())
}

/// What `drop = "block"` and `deadline = …` come to together.
fn block_with_its_deadline(
    first: usize,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) {
    let Some(deadline) = pipeline.deadline.take() else {
        return;
    };
    let blocks = policy(facade, "BLOCK").to_string();
    let drop = pipeline.calls[first..]
        .iter_mut()
        .find(|call| call.method == "with_drop_policy");
    match drop {
        Some(call) if call.value.to_string() == blocks => {
            let value = &deadline.value;
            call.value = quote!(#facade::config::DropPolicy::Block { deadline: #value });
        }
        _ => errors.at_span(
            deadline.method.span(),
            "`deadline` is how long `drop = \"block\"` waits for room: the other policies do not wait",
        ),
    }
}

fn policy(facade: &TokenStream, name: &str) -> TokenStream {
    let name = quote::format_ident!("{name}");
    quote!(#facade::config::DropPolicy::#name)
}

/// Reads `= "newest"`, `= "oldest"`, `= "block"`, or an expression that is a `DropPolicy`.
pub(crate) fn drop_policy(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
) -> syn::Result<TokenStream> {
    Choice {
        example: "drop = \"oldest\"",
        expected: "what is dropped when the queue is full",
        write: "`drop = \"newest\"`, `\"oldest\"` or `\"block\"`",
        unknown: "drop policy",
        known: &["newest", "oldest", "block"],
        variants: &["Newest", "Oldest", "BLOCK"],
        of: quote!(#facade::config::DropPolicy),
    }
    .read(input, key)
}

/// Reads `= "inherit_parent_id"`, `= "new_id"`, or an expression that is an `UnsampledId`.
pub(crate) fn unsampled(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
) -> syn::Result<TokenStream> {
    Choice {
        example: "unsampled = \"inherit_parent_id\"",
        expected: "which id a span has that is not recorded",
        write: "`unsampled = \"inherit_parent_id\"` or `\"new_id\"`",
        unknown: "id of spans that are not recorded",
        known: &["new_id", "inherit_parent_id"],
        variants: &["New", "InheritParent"],
        of: quote!(#facade::config::UnsampledId),
    }
    .read(input, key)
}

/// One of a few words in quotes, or an expression.
pub(crate) struct Choice<'a> {
    pub(crate) example: &'a str,
    /// What is said of a literal that is no text.
    pub(crate) expected: &'a str,
    pub(crate) write: &'a str,
    /// What is said of another word.
    pub(crate) unknown: &'a str,
    pub(crate) known: &'a [&'a str],
    /// What each of them stands for.
    pub(crate) variants: &'a [&'a str],
    pub(crate) of: TokenStream,
}

impl Choice<'_> {
    pub(crate) fn read(&self, input: ParseStream<'_>, key: &Ident) -> syn::Result<TokenStream> {
        arguments::equals(input, key, self.example)?;
        let value = arguments::expression(input)?;
        let Some(lit) = arguments::literal(&value) else {
            return Ok(quote!(#value));
        };
        let Lit::Str(text) = lit else {
            let (expected, write) = (self.expected, self.write);
            let found = arguments::describe(lit);
            return Err(Error::new_spanned(
                lit,
                format!("expected {expected}, found {found}: write {write}"),
            ));
        };
        let word = text.value();
        let mut choices = self.known.iter().zip(self.variants);
        let Some((_, variant)) = choices.find(|(known, _)| **known == word) else {
            let advice = suggest::advice(&word, self.known);
            return Err(Error::new_spanned(
                text,
                format!("unknown {} `{word}`: {advice}", self.unknown),
            ));
        };
        let (of, variant) = (&self.of, Ident::new(variant, text.span()));
        Ok(quote_spanned!(text.span()=> #of::#variant))
    }
}

/// Reads `= [url, url]`: an expression that is no literal.
pub(crate) fn urls(input: ParseStream<'_>, key: &Ident) -> syn::Result<TokenStream> {
    const EXAMPLE: &str = "endpoints = [\"http://a:4318\", \"http://b:4318\"]";
    arguments::equals(input, key, EXAMPLE)?;
    let value = arguments::expression(input)?;
    match arguments::literal(&value) {
        None => Ok(quote!(#value)),
        Some(one) => Err(Error::new_spanned(
            one,
            format!(
                "expected a list of URLs, found {}: write `{EXAMPLE}`",
                arguments::describe(one)
            ),
        )),
    }
}

/// Reads `= true`: an expression that is no literal of another type.
pub(crate) fn boolean(input: ParseStream<'_>, key: &Ident) -> syn::Result<TokenStream> {
    let example = format!("{key} = true");
    arguments::equals(input, key, &example)?;
    let value = arguments::expression(input)?;
    match arguments::literal(&value) {
        None | Some(Lit::Bool(_)) => Ok(quote!(#value)),
        Some(other) => Err(Error::new_spanned(
            other,
            format!(
                "expected `true` or `false`, found {}: write `{example}`",
                arguments::describe(other)
            ),
        )),
    }
}
