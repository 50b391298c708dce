//! The tokens between the parentheses of `#[enhanced_trace(…)]`, argument by argument. How they go
//! together with one another and with the function is for `validate`.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Expr, ExprLit, Ident, Lit, LitFloat, Path};

use super::lists;
use super::model::{Arguments, Kind};
use crate::arguments::{self, Errors, Given};
use crate::suggest;

/// Every argument, in the order of the documentation.
const KNOWN: [&str; 17] = [
    "name",
    "kind",
    "fields",
    "capture",
    "capture_all",
    "skip",
    "err",
    "ret",
    "parent",
    "links",
    "root",
    "tracer",
    "code",
    "sample",
    "enabled",
    "crate",
    "profile",
];

const KINDS: [(&str, Kind); 5] = [
    ("internal", Kind::Internal),
    ("server", Kind::Server),
    ("client", Kind::Client),
    ("producer", Kind::Producer),
    ("consumer", Kind::Consumer),
];

/// Reads all arguments; what is wrong goes to `errors`, what is right is in the result all the same.
pub(crate) fn arguments(tokens: TokenStream, errors: &mut Errors) -> Arguments {
    let mut found = Arguments::default();
    let mut given = Given::default();
    let read = |input: ParseStream<'_>| {
        arguments::each(input, errors, |input, errors| {
            one(input, &mut found, &mut given, errors)
        });
        Ok(())
    };
    if let Err(error) = read.parse2(tokens) {
        errors.push(error);
    }
    found
}

fn one(
    input: ParseStream<'_>,
    found: &mut Arguments,
    given: &mut Given,
    errors: &mut Errors,
) -> syn::Result<()> {
    let key = arguments::key(input, "name = \"checkout\"")?;
    let word = key.unraw().to_string();
    if !KNOWN.contains(&word.as_str()) {
        return Err(unknown(&key, &word));
    }
    given.once(&key)?;
    match word.as_str() {
        "name" => {
            let name = arguments::string(input, &key, "name = \"checkout\"")?;
            found.name = Some(not_empty(name, "a span")?);
        }
        "tracer" => {
            let tracer = arguments::string(input, &key, "tracer = \"shop.checkout\"")?;
            found.tracer = Some(not_empty(tracer, "a tracer")?);
        }
        "kind" => found.kind = Some(kind(input, &key)?),
        "fields" => found.fields = lists::fields(input, &key, errors)?,
        "capture" => found.captures = lists::captures(input, &key, errors)?,
        "capture_all" => {
            arguments::flag(input, &key)?;
            found.capture_all = Some(key.span());
        }
        "skip" => found.skip = lists::skip(input, &key, errors)?,
        "err" => found.err = Some(lists::outcome(input, &key, true, errors)?),
        "ret" => found.ret = Some(lists::outcome(input, &key, false, errors)?),
        "parent" => found.parent = Some(value(input, &key, "parent = context")?),
        "links" => found.links = Some(value(input, &key, "links = [span_context]")?),
        "root" => {
            arguments::flag(input, &key)?;
            found.root = Some(key.span());
        }
        "code" => found.code = Some(arguments::boolean(input, &key, "code = false")?.value),
        "sample" => found.sample = Some(sample(input, &key)?),
        "enabled" => found.enabled = Some(enabled(input, &key)?),
        "crate" => found.crate_path = Some(crate_path(input, &key)?),
        _ => {
            arguments::flag(input, &key)?;
            found.profile = Some(key.span());
        }
    }
    Ok(())
}

fn value(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<Expr> {
    arguments::equals(input, key, example)?;
    arguments::expression(input)
}

fn not_empty(text: syn::LitStr, what: &str) -> syn::Result<syn::LitStr> {
    if text.value().trim().is_empty() {
        return Err(Error::new_spanned(
            text,
            format!("the name of {what} must not be empty"),
        ));
    }
    Ok(text)
}

/// `kind = "server"`, `kind = server`, `kind = SpanKind::Server`.
fn kind(input: ParseStream<'_>, key: &Ident) -> syn::Result<Kind> {
    let example = "kind = \"server\"";
    let value = value(input, key, example)?;
    let word = match (&value, arguments::literal(&value)) {
        (_, Some(Lit::Str(text))) => Some(text.value()),
        (Expr::Path(path), None) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    };
    let words = KINDS.map(|(word, _)| word);
    let Some(word) = word else {
        return Err(Error::new_spanned(
            value,
            format!(
                "expected the kind of the span, one of {}: write `{example}`",
                suggest::list(&words)
            ),
        ));
    };
    KINDS
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(&word))
        .map(|(_, kind)| kind)
        .ok_or_else(|| {
            Error::new_spanned(
                value,
                format!("unknown kind `{word}`: {}", suggest::advice(&word, &words)),
            )
        })
}

/// `sample = 0.1`: a literal is checked here, an expression when the span starts.
fn sample(input: ParseStream<'_>, key: &Ident) -> syn::Result<Expr> {
    let value = value(input, key, "sample = 0.1")?;
    let wrong = |found: &str| {
        Err(Error::new_spanned(
            &value,
            format!("`sample` is the share of the spans to keep, from 0.0 to 1.0: {found}"),
        ))
    };
    let (negative, number) = match &value {
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
            (true, arguments::literal(&unary.expr))
        }
        other => (false, arguments::literal(other)),
    };
    let ratio: f64 = match number {
        None => return Ok(value),
        Some(Lit::Float(float)) => float.base10_parse()?,
        Some(Lit::Int(int)) => int.base10_parse::<u64>()? as f64,
        Some(other) => return wrong(&format!("found {}", arguments::describe(other))),
    };
    if negative || !(0.0..=1.0).contains(&ratio) {
        let hint = if !negative && ratio <= 100.0 {
            format!("for {ratio} percent write `sample = {}`", ratio / 100.0)
        } else {
            "found a value outside".to_owned()
        };
        return wrong(&hint);
    }
    // `sample = 1` is a share too: what follows expects an f64.
    match number {
        Some(Lit::Int(int)) => Ok(Expr::Lit(ExprLit {
            attrs: Vec::new(),
            lit: Lit::Float(LitFloat::new(&format!("{ratio:.1}"), int.span())),
        })),
        _ => Ok(value),
    }
}

fn enabled(input: ParseStream<'_>, key: &Ident) -> syn::Result<Expr> {
    let value = value(input, key, "enabled = cfg!(debug_assertions)")?;
    match arguments::literal(&value) {
        None | Some(Lit::Bool(_)) => Ok(value),
        Some(other) => Err(Error::new_spanned(
            other,
            format!(
                "expected `true`, `false` or an expression of type `bool`, found {}",
                arguments::describe(other)
            ),
        )),
    }
}

/// `crate = my_company::telemetry`.
fn crate_path(input: ParseStream<'_>, key: &Ident) -> syn::Result<Path> {
    let example = "crate = my_company::telemetry";
    arguments::equals(input, key, example)?;
    if let Ok(lit) = input.fork().parse::<Lit>() {
        input.parse::<Lit>()?;
        return Err(Error::new_spanned(
            &lit,
            format!(
                "expected the path of otel_enhance, found {}: write `{example}` without quotes",
                arguments::describe(&lit)
            ),
        ));
    }
    input.call(Path::parse_mod_style).map_err(|error| {
        Error::new(
            error.span(),
            format!("expected the path of otel_enhance: write `{example}`"),
        )
    })
}

/// Words of other macros have their place here under another name; say which.
fn unknown(key: &Ident, word: &str) -> Error {
    let hint = match word {
        "level" => {
            "spans of OpenTelemetry have no level; `enabled = …` or `sample = …` decide whether one is recorded"
        }
        "target" | "scope" | "library" => "the instrumentation scope is named by `tracer = \"…\"`",
        "skip_all" => {
            "nothing is recorded unasked, so it can be left out; `capture(…)` names what to record"
        }
        "follows_from" | "link" => "spans that this one follows from are given by `links = …`",
        "attributes" | "attrs" | "attribute" | "properties" | "tags" | "field" => {
            "attributes are given by `fields(key = value)`"
        }
        "span_name" | "short_name" | "rename" => "the name of the span is given by `name = \"…\"`",
        "span_kind" | "type" => "the kind of the span is given by `kind = \"…\"`",
        "args" | "arguments" | "params" | "record" => {
            "arguments are recorded by name: `capture(a, b)`"
        }
        "error" | "errors" => "errors are recorded by `err`",
        "result" | "return" | "returns" => "the returned value is recorded by `ret`",
        "context" | "parent_context" => "the parent is given by `parent = …`",
        "disabled" | "disable" | "skip_if" => "a span is switched off by `enabled = …`",
        "ratio" | "sampling" | "sampler" | "probability" => {
            "the share of the spans to keep is given by `sample = 0.1`"
        }
        "enter_on_poll" => {
            "the span of an `async fn` is active while it is polled and only then, without being asked"
        }
        _ => return arguments::unknown(key, &KNOWN),
    };
    Error::new_spanned(key, format!("unknown argument `{word}`: {hint}"))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
