//! What both macros share in reading arguments: errors that accumulate, lists that go on after a
//! mistake, literals whose type is checked here so that the compiler need not guess.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{ParseBuffer, ParseStream};
use syn::{Error, Expr, ExprLit, Ident, Lit, LitBool, LitStr, Token};

use crate::suggest;

/// Mistakes found so far; all are shown at once, each on its own token.
#[derive(Debug, Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    pub(crate) fn at_span(&mut self, span: Span, message: impl Display) {
        self.push(Error::new(span, message));
    }

    pub(crate) fn finish(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Reads comma-separated arguments to the end of `input`. One that fails is reported and left
/// behind up to the next comma, so that the mistakes after it are found too.
pub(crate) fn each(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut one: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    while !input.is_empty() {
        let read = one(input, errors).and_then(|()| {
            if input.is_empty() || input.peek(Token![,]) {
                Ok(())
            } else {
                Err(input.error("expected `,` between arguments"))
            }
        });
        if let Err(error) = read {
            errors.push(error);
            skip_to_comma(input);
        }
        // Present unless `input` is at its end.
        let _: Option<Token![,]> = input.parse().unwrap_or_default();
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<TokenTree>().is_err() {
            break;
        }
    }
}

/// Reads all of `(…)` as a list.
pub(crate) fn list(
    input: ParseStream<'_>,
    errors: &mut Errors,
    one: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) -> syn::Result<()> {
    let content = parenthesized(input)?;
    each(&content, errors, one);
    Ok(())
}

fn parenthesized<'a>(input: ParseStream<'a>) -> syn::Result<ParseBuffer<'a>> {
    let content;
    syn::parenthesized!(content in input);
    Ok(content)
}

/// Reads the name of an argument, keywords (`crate`) included.
pub(crate) fn key(input: ParseStream<'_>, example: &str) -> syn::Result<Ident> {
    if input.peek(Lit) {
        let found: Lit = input.parse()?;
        return Err(Error::new_spanned(
            found,
            format!("expected the name of an argument first, such as `{example}`"),
        ));
    }
    if !input.peek(Ident::peek_any) {
        return Err(input.error(format!(
            "expected an argument by its name, such as `{example}`"
        )));
    }
    input.call(Ident::parse_any)
}

/// Reads `= `; `example` is what would have been right.
pub(crate) fn equals(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<()> {
    if input.peek(Token![=]) && !input.peek(Token![==]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new_spanned(
                key,
                format!("`{key}` lacks its value: write `{example}`"),
            ));
        }
        return Ok(());
    }
    Err(Error::new_spanned(
        key,
        format!("`{key}` needs a value: write `{example}`"),
    ))
}

/// Reads an expression.
pub(crate) fn expression(input: ParseStream<'_>) -> syn::Result<Expr> {
    let begin = input.fork();
    input.parse::<Expr>().map_err(|error| {
        // What syn says of a missing operand names a dozen tokens; what the user wants to know is where.
        match begin.parse::<TokenTree>() {
            Ok(first) if input.is_empty() => Error::new_spanned(first, "expected an expression"),
            _ => error,
        }
    })
}

/// The literal that an expression is, groups made by `macro_rules` and parentheses seen through.
pub(crate) fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        Expr::Paren(paren) => literal(&paren.expr),
        _ => None,
    }
}

/// Reads `key = "literal"`.
pub(crate) fn string(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<LitStr> {
    equals(input, key, example)?;
    let value = expression(input)?;
    match literal(&value) {
        Some(Lit::Str(text)) => Ok(text.clone()),
        Some(other) => Err(Error::new_spanned(
            other,
            format!(
                "expected a string literal, found {}: write `{example}`",
                describe(other)
            ),
        )),
        None => Err(Error::new_spanned(
            &value,
            format!("expected a string literal: write `{example}`"),
        )),
    }
}

/// Reads `key = true` or `key = false`.
pub(crate) fn boolean(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<LitBool> {
    equals(input, key, example)?;
    let value = expression(input)?;
    match literal(&value) {
        Some(Lit::Bool(value)) => Ok(value.clone()),
        Some(other) => Err(Error::new_spanned(
            other,
            format!(
                "expected `true` or `false`, found {}: write `{example}`",
                describe(other)
            ),
        )),
        None => Err(Error::new_spanned(
            &value,
            format!("expected `true` or `false`: write `{example}`"),
        )),
    }
}

/// A literal by the name of its type, for messages.
pub(crate) fn describe(lit: &Lit) -> &'static str {
    match lit {
        Lit::Str(_) => "a string",
        Lit::ByteStr(_) => "a byte string",
        Lit::CStr(_) => "a C string",
        Lit::Byte(_) => "a byte",
        Lit::Char(_) => "a character",
        Lit::Int(_) => "an integer",
        Lit::Float(_) => "a float",
        Lit::Bool(_) => "a bool",
        _ => "another literal",
    }
}

/// An argument without a value must have none: `root`, not `root = true`.
pub(crate) fn flag(input: ParseStream<'_>, key: &Ident) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(Error::new_spanned(
        key,
        format!("`{key}` takes no value: write `{key}` alone, or leave it out"),
    ))
}

/// The names that were given, to refuse the second of two.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<String>);

impl Given {
    pub(crate) fn once(&mut self, key: &Ident) -> syn::Result<()> {
        let name = key.unraw().to_string();
        if self.0.contains(&name) {
            return Err(Error::new_spanned(
                key,
                format!("duplicate argument `{name}`: it was given before"),
            ));
        }
        self.0.push(name);
        Ok(())
    }
}

/// `unknown argument`, with the nearest known one.
pub(crate) fn unknown(key: &Ident, known: &[&str]) -> Error {
    Error::new_spanned(
        key,
        format!(
            "unknown argument `{key}`: {}",
            suggest::advice(&key.unraw().to_string(), known)
        ),
    )
}

/// The item itself if the whole of `tokens` is a group that `macro_rules` made without delimiters.
pub(crate) fn ungrouped(tokens: TokenStream) -> TokenStream {
    let mut trees = tokens.clone().into_iter();
    match (trees.next(), trees.next()) {
        (Some(TokenTree::Group(group)), None)
            if group.delimiter() == proc_macro2::Delimiter::None =>
        {
            ungrouped(group.stream())
        }
        _ => tokens,
    }
}

/// A call of the facade's `__require_…` that stands where the argument does, so that the error it may
/// be points there: names still resolve as those of `facade` do.
pub(crate) fn requirement(facade: &TokenStream, what: &str, at: Span) -> TokenStream {
    let facade: TokenStream = facade
        .clone()
        .into_iter()
        .map(|mut tree| {
            tree.set_span(tree.span().located_at(at));
            tree
        })
        .collect();
    let name = format_ident!("__require_{what}", span = at);
    quote_spanned!(at=> #facade::#name! {})
}
