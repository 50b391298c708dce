//! The arguments with parentheses: `fields(…)`, `capture(…)`, `skip(…)`, `err(…)`, `ret(…)`.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Expr, Ident, LitStr, Token, parse_quote_spanned, token};

use super::model::{Capture, Field, Form, Outcome};
use crate::arguments::{self, Errors, Given};
use crate::suggest;

/// `fields(user.id = id, total = %x, "odd key" = v, x, %y)`.
pub(crate) fn fields(
    input: ParseStream<'_>,
    key: &Ident,
    errors: &mut Errors,
) -> syn::Result<Vec<Field>> {
    parentheses(input, key, "fields(user.id = id)")?;
    let mut found = Vec::new();
    arguments::list(input, errors, |input, _| {
        found.push(field(input)?);
        Ok(())
    })?;
    Ok(found)
}

fn field(input: ParseStream<'_>) -> syn::Result<Field> {
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        if text.value().trim().is_empty() {
            return Err(Error::new_spanned(
                text,
                "an attribute's key must not be empty",
            ));
        }
        if !input.peek(Token![=]) {
            return Err(Error::new_spanned(
                &text,
                format!(
                    "the attribute lacks its value: write `{:?} = value`",
                    text.value()
                ),
            ));
        }
        return valued(input, text.value(), text.span());
    }
    if let Some(form) = form(input)? {
        let (key, span, value) = variable(input)?;
        return Ok(Field {
            key,
            key_span: span,
            form,
            value,
        });
    }
    if !input.peek(Ident::peek_any) {
        return Err(input.error(
            "expected `key = value`, where the key is a name such as `user.id` or a string literal",
        ));
    }
    let (key, span, value) = variable(input)?;
    if input.peek(Token![=]) {
        return valued(input, key, span);
    }
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error(format!("expected `=` and the value of `{key}`")));
    }
    Ok(Field {
        key,
        key_span: span,
        form: Form::Value,
        value,
    })
}

/// The `= value` of a field, `%` and `?` included.
fn valued(input: ParseStream<'_>, key: String, key_span: Span) -> syn::Result<Field> {
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new(key_span, format!("`{key}` lacks its value")));
    }
    let form = form(input)?.unwrap_or(Form::Value);
    let value = arguments::expression(input)?;
    Ok(Field {
        key,
        key_span,
        form,
        value,
    })
}

fn form(input: ParseStream<'_>) -> syn::Result<Option<Form>> {
    if input.peek(Token![%]) {
        input.parse::<Token![%]>()?;
        Ok(Some(Form::Display))
    } else if input.peek(Token![?]) {
        input.parse::<Token![?]>()?;
        Ok(Some(Form::Debug))
    } else {
        Ok(None)
    }
}

/// `order.id`, as a key and as the expression that it is where no value is given.
fn variable(input: ParseStream<'_>) -> syn::Result<(String, Span, Expr)> {
    let first = name(input)?;
    let mut key = first.unraw().to_string();
    let mut span = first.span();
    let at = first.span();
    let mut value: Expr = parse_quote_spanned!(at=> #first);
    while input.peek(Token![.]) {
        let dot: Token![.] = input.parse()?;
        let next = name(input)?;
        key.push('.');
        key.push_str(&next.unraw().to_string());
        // Joined where the compiler can; the first word otherwise.
        span = span.join(next.span()).unwrap_or(span);
        value = parse_quote_spanned!(at=> #value #dot #next);
    }
    Ok((key, span, value))
}

/// One word, keywords (`type`, `r#type`) included: as an expression it must be raw.
fn name(input: ParseStream<'_>) -> syn::Result<Ident> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error("expected a name"));
    }
    let word = input.call(Ident::parse_any)?;
    let text = word.to_string();
    let keyword = syn::parse_str::<Ident>(&text).is_err();
    if keyword && !matches!(text.as_str(), "self" | "Self" | "super" | "crate" | "_") {
        return Ok(Ident::new_raw(&text, word.span()));
    }
    Ok(word)
}

/// `capture(a, %b, ?c)`.
pub(crate) fn captures(
    input: ParseStream<'_>,
    key: &Ident,
    errors: &mut Errors,
) -> syn::Result<Vec<Capture>> {
    parentheses(input, key, "capture(order_id)")?;
    let mut found: Vec<Capture> = Vec::new();
    arguments::list(input, errors, |input, _| {
        let form = form(input)?.unwrap_or(Form::Value);
        let name = argument(input, "capture")?;
        if found
            .iter()
            .any(|capture| capture.name.unraw() == name.unraw())
        {
            return Err(Error::new_spanned(
                &name,
                format!("`{name}` is captured twice"),
            ));
        }
        found.push(Capture {
            name,
            form,
            cfgs: Vec::new(),
        });
        Ok(())
    })?;
    Ok(found)
}

/// `skip(a, b)`.
pub(crate) fn skip(
    input: ParseStream<'_>,
    key: &Ident,
    errors: &mut Errors,
) -> syn::Result<Vec<Ident>> {
    parentheses(input, key, "skip(password)")?;
    let mut found: Vec<Ident> = Vec::new();
    arguments::list(input, errors, |input, _| {
        let name = argument(input, "skip")?;
        if found.iter().any(|skipped| skipped.unraw() == name.unraw()) {
            return Err(Error::new_spanned(
                &name,
                format!("`{name}` is skipped twice"),
            ));
        }
        found.push(name);
        Ok(())
    })?;
    Ok(found)
}

/// The name of one of the function's arguments.
fn argument(input: ParseStream<'_>, list: &str) -> syn::Result<Ident> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error(format!(
            "`{list}` takes the names of the function's arguments, such as `{list}(order_id)`"
        )));
    }
    let word = name(input)?;
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(word);
    }
    let instead = if list == "capture" {
        format!("; to record a value made from it, write `fields({word} = …)`")
    } else {
        String::new()
    };
    Err(input.error(format!(
        "`{list}` takes the names of arguments alone{instead}"
    )))
}

/// `err`, `err(Debug)`, `err(Display, exception = false)`; `ret`, `ret(Debug)`.
pub(crate) fn outcome(
    input: ParseStream<'_>,
    key: &Ident,
    is_err: bool,
    errors: &mut Errors,
) -> syn::Result<Outcome> {
    let mut outcome = Outcome {
        form: if is_err { Form::Display } else { Form::Value },
        span: key.span(),
        exception_event: true,
    };
    if !input.peek(token::Paren) {
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(outcome);
        }
        return Err(Error::new_spanned(
            key,
            format!("`{key}` takes no `= value`: write `{key}` or `{key}(Debug)`"),
        ));
    }
    let known: &[&str] = if is_err {
        &["Display", "Debug", "exception"]
    } else {
        &["Display", "Debug"]
    };
    let mut given = Given::default();
    let mut chosen: Option<Ident> = None;
    arguments::list(input, errors, |input, _| {
        let word = arguments::key(input, "Debug")?;
        let text = word.to_string();
        match text.as_str() {
            "Display" | "Debug" => {
                given.once(&word)?;
                arguments::flag(input, &word)?;
                if let Some(other) = chosen.replace(word.clone()) {
                    return Err(Error::new_spanned(
                        word,
                        format!("a value is recorded in one form: `{other}` is given before"),
                    ));
                }
                outcome.form = if text == "Debug" {
                    Form::Debug
                } else {
                    Form::Display
                };
            }
            "exception" if is_err => {
                given.once(&word)?;
                outcome.exception_event =
                    arguments::boolean(input, &word, "exception = false")?.value;
            }
            "level" => {
                return Err(Error::new_spanned(
                    word,
                    "spans of OpenTelemetry have no level: leave it out",
                ));
            }
            _ => {
                return Err(Error::new_spanned(
                    &word,
                    format!(
                        "unknown option `{text}` of `{key}`: {}",
                        suggest::advice(&text, known)
                    ),
                ));
            }
        }
        Ok(())
    })?;
    Ok(outcome)
}

fn parentheses(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<()> {
    if input.peek(token::Paren) {
        return Ok(());
    }
    Err(Error::new_spanned(
        key,
        format!("`{key}` takes a list in parentheses: write `{example}`"),
    ))
}
