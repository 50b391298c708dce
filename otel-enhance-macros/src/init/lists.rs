//! The arguments of `init!` with parentheses: `resource(…)`, `headers(…)`, `tls(…)`, `batch(…)`,
//! `limits(…)`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitStr, Token, token};

use super::model::{Call, Pipeline};
use super::parse::{number, text};
use super::{durations, ebpf, performance, tracezip};
use crate::arguments::{self, Errors, Given};
use crate::suggest;

pub(crate) fn parentheses(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<()> {
    if input.peek(token::Paren) {
        return Ok(());
    }
    Err(Error::new_spanned(
        key,
        format!("`{key}` takes a list in parentheses: write `{example}`"),
    ))
}

/// Reads `a.b-c` or `"a.b-c"`, and where it stands.
fn dotted(input: ParseStream<'_>, example: &str) -> syn::Result<(String, Span)> {
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        if text.value().trim().is_empty() {
            return Err(Error::new_spanned(text, "a key must not be empty"));
        }
        return Ok((text.value(), text.span()));
    }
    let first = arguments::key(input, example)?;
    let mut name = first.unraw().to_string();
    while input.peek(Token![.]) || input.peek(Token![-]) {
        if input.parse::<Option<Token![.]>>()?.is_some() {
            name.push('.');
        } else {
            input.parse::<Token![-]>()?;
            name.push('-');
        }
        name.push_str(&input.call(Ident::parse_any)?.unraw().to_string());
    }
    Ok((name, first.span()))
}

/// Reads `key = value, …`, each key once, and hands key, its span and value to `one`.
fn pairs(
    input: ParseStream<'_>,
    key: &Ident,
    example: &str,
    errors: &mut Errors,
    mut one: impl FnMut(&str, Span, TokenStream),
) -> syn::Result<()> {
    parentheses(input, key, &format!("{key}({example})"))?;
    let mut given: Vec<String> = Vec::new();
    arguments::list(input, errors, |input, _| {
        let (name, span) = dotted(input, example)?;
        if !input.peek(Token![=]) {
            return Err(Error::new(
                span,
                format!("`{name}` lacks its value: write `{key}({example})`"),
            ));
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new(
                span,
                format!("`{name}` lacks its value: write `{key}({example})`"),
            ));
        }
        let value = arguments::expression(input)?;
        if given.contains(&name) {
            return Err(Error::new(
                span,
                format!("duplicate key `{name}`: it was given before"),
            ));
        }
        one(&name, span, quote!(#value));
        given.push(name);
        Ok(())
    })
}

/// `resource("k" = v, a.b = v)`.
pub(crate) fn resource(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    let mut attributes: Vec<TokenStream> = Vec::new();
    pairs(
        input,
        key,
        "cloud.region = \"eu-central-1\"",
        errors,
        |name, span, value| {
            let name = LitStr::new(name, span);
            attributes.push(quote!(#facade::KeyValue::new(#name, #value)));
        },
    )?;
    pipeline.call(
        "with_resource_attributes",
        key.span(),
        quote!([#(#attributes),*]),
    );
    Ok(())
}

/// `headers(authorization = token, "x-tenant" = "a")`.
pub(crate) fn headers(
    input: ParseStream<'_>,
    key: &Ident,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    pairs(
        input,
        key,
        "authorization = token",
        errors,
        |name, span, value| {
            let name = LitStr::new(name, span);
            pipeline.call("with_header", span, quote!(#name, #value));
        },
    )
}

/// What the value of a setting is.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    Text,
    Number,
    Duration,
    Bool,
    /// A secret, of `tracezip`.
    Secret,
    /// Endpoints, of `performance`.
    Urls,
    /// A drop policy, of `performance`.
    Drop,
    /// How long one of them waits.
    Deadline,
    /// The id of a span that is not recorded, of `performance`.
    Unsampled,
    /// A bool of which `= true` may be left out.
    Flag,
    /// Whose figures are taken, of `ebpf`.
    Spans,
}

/// A setting of a list, its builder method, its value.
pub(crate) type Setting = (&'static str, &'static str, Value);

const TLS: [Setting; 3] = [
    ("ca", "with_ca_file", Value::Text),
    ("cert", "with_client_certificate_file", Value::Text),
    ("key", "with_client_key_file", Value::Text),
];

const BATCH: [Setting; 4] = [
    ("max_queue_size", "with_max_queue_size", Value::Number),
    (
        "max_export_batch_size",
        "with_max_export_batch_size",
        Value::Number,
    ),
    ("scheduled_delay", "with_scheduled_delay", Value::Duration),
    ("export_timeout", "with_export_timeout", Value::Duration),
];

const LIMITS: [Setting; 6] = [
    (
        "attributes_per_span",
        "with_max_attributes_per_span",
        Value::Number,
    ),
    ("events_per_span", "with_max_events_per_span", Value::Number),
    ("links_per_span", "with_max_links_per_span", Value::Number),
    (
        "attributes_per_event",
        "with_max_attributes_per_event",
        Value::Number,
    ),
    (
        "attributes_per_link",
        "with_max_attributes_per_link",
        Value::Number,
    ),
    (
        "attribute_value_length",
        "with_max_attribute_value_length",
        Value::Number,
    ),
];

/// `tls(ca = "ca.pem", cert = "client.pem", key = "client.key")`.
pub(crate) fn tls(
    input: ParseStream<'_>,
    key: &Ident,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    pipeline.require("tls", key.span());
    settings(input, key, "ca = \"ca.pem\"", &TLS, pipeline, errors)
}

/// `batch(max_queue_size = 4096, scheduled_delay = 1s)`.
pub(crate) fn batch(
    input: ParseStream<'_>,
    key: &Ident,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    pipeline.batch = Some(key.span());
    settings(
        input,
        key,
        "max_queue_size = 4096",
        &BATCH,
        pipeline,
        errors,
    )
}

/// `limits(attributes_per_span = 64, attribute_value_length = 4096)`.
pub(crate) fn limits(
    input: ParseStream<'_>,
    key: &Ident,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    settings(
        input,
        key,
        "attributes_per_span = 64",
        &LIMITS,
        pipeline,
        errors,
    )
}

pub(crate) fn settings(
    input: ParseStream<'_>,
    key: &Ident,
    example: &str,
    known: &[Setting],
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    settings_of(input, key, example, known, &quote!(), pipeline, errors)
}

/// The same for settings whose values name types of the facade.
pub(crate) fn settings_of(
    input: ParseStream<'_>,
    key: &Ident,
    example: &str,
    known: &[Setting],
    facade: &TokenStream,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    parentheses(input, key, &format!("{key}({example})"))?;
    let mut given = Given::default();
    arguments::list(input, errors, |input, _| {
        let name = arguments::key(input, example)?;
        let word = name.unraw().to_string();
        let Some((_, method, value)) = known.iter().find(|(known, ..)| *known == word) else {
            let words: Vec<&str> = known.iter().map(|(known, ..)| *known).collect();
            return Err(Error::new_spanned(
                &name,
                format!(
                    "unknown setting `{word}` of `{key}`: {}",
                    suggest::advice(&word, &words)
                ),
            ));
        };
        given.once(&name)?;
        let value = match value {
            Value::Text => text(input, &name, &format!("{name} = \"…\""))?,
            Value::Number => number(input, &name)?,
            Value::Duration => durations::duration(input, &name)?,
            Value::Bool => performance::boolean(input, &name)?,
            Value::Secret => {
                let (method, value) = tracezip::secret(input, &name, method)?;
                pipeline.calls.push(Call { method, value });
                return Ok(());
            }
            Value::Urls => {
                pipeline.otlp_only.push(name.clone());
                performance::urls(input, &name)?
            }
            Value::Drop => performance::drop_policy(input, &name, facade)?,
            Value::Unsampled => performance::unsampled(input, &name, facade)?,
            Value::Flag if input.is_empty() || input.peek(Token![,]) => quote!(true),
            Value::Flag => performance::boolean(input, &name)?,
            Value::Spans => ebpf::spans(input, &name, facade)?,
            Value::Deadline => {
                let value = durations::duration(input, &name)?;
                pipeline.deadline = Some(Call {
                    method: name,
                    value,
                });
                return Ok(());
            }
        };
        pipeline.call(method, name.span(), value);
        Ok(())
    })
}
