//! How the arguments go together, and with the function below them.

use std::collections::HashSet;

use syn::ext::IdentExt as _;
use syn::{Expr, Type};

use super::item::{Binding, Function};
use super::model::{Arguments, Capture, Field, Form};
use super::output::{self, Output};
use crate::arguments::Errors;
use crate::suggest;

/// Reports what contradicts, and resolves what is captured: behind it, `arguments.captures` holds
/// every name to record, `capture_all` less `skip` included.
pub(crate) fn validate(arguments: &mut Arguments, function: &Function, errors: &mut Errors) {
    contradictions(arguments, errors);
    outcomes(arguments, function, errors);
    let bindings = function.bindings();
    captures(arguments, function, &bindings, errors);
    fields(arguments, function, &bindings, errors);
}

fn contradictions(arguments: &Arguments, errors: &mut Errors) {
    if let (Some(root), Some(_)) = (arguments.root, &arguments.parent) {
        errors.at_span(
            root,
            "`root` and `parent` contradict each other: a root span has no parent",
        );
    }
    if let Some(parent @ Expr::Path(path)) = &arguments.parent
        && path.path.is_ident("None")
    {
        errors.at(parent, "for a span without a parent write `root`");
    }
    match arguments.capture_all {
        Some(all) if !arguments.captures.is_empty() => errors.at_span(
            all,
            "`capture_all` and `capture` contradict each other: name some arguments, or take all and `skip(…)` some",
        ),
        None if !arguments.skip.is_empty() => errors.at(
            &arguments.skip[0],
            "`skip` leaves names out of `capture_all`, which is not given: nothing is recorded unasked, so there is nothing to skip",
        ),
        _ => {}
    }
}

fn outcomes(arguments: &Arguments, function: &Function, errors: &mut Errors) {
    let name = &function.sig.ident;
    let output = output::of(&function.sig);
    if let Some(err) = &arguments.err {
        let found = match &output {
            Output::Nothing => Some("nothing".to_owned()),
            Output::Never => Some("never".to_owned()),
            Output::Value(ty) if output::is_no_result(ty) => Some(format!("`{}`", text(ty))),
            _ => None,
        };
        if let Some(found) = found {
            errors.at_span(
                err.span,
                format!("`err` records the error of a `Result`, and `{name}` returns {found}"),
            );
        }
    }
    if let Some(ret) = &arguments.ret {
        match output {
            Output::Nothing => errors.at_span(
                ret.span,
                format!("`ret` records the returned value, and `{name}` returns nothing"),
            ),
            Output::Never => errors.at_span(
                ret.span,
                format!("`ret` records the returned value, and `{name}` never returns"),
            ),
            Output::Value(_) | Output::Unknown => {}
        }
    }
}

/// A type as a user would write it; tokens print with a space between any two.
fn text(ty: &Type) -> String {
    use quote::ToTokens as _;
    let mut text = ty.to_token_stream().to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        ("' ", "'"),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}

fn captures(
    arguments: &mut Arguments,
    function: &Function,
    bindings: &[Binding],
    errors: &mut Errors,
) {
    for capture in &mut arguments.captures {
        match find(&capture.name, bindings) {
            Some(binding) => capture.cfgs.clone_from(&binding.cfgs),
            None => errors.at(
                &capture.name,
                no_argument("capture", &capture.name, function, bindings),
            ),
        }
    }
    for name in &arguments.skip {
        if find(name, bindings).is_none() {
            errors.at(name, no_argument("skip", name, function, bindings));
        }
    }
    if arguments.capture_all.is_some() && arguments.captures.is_empty() {
        let replaced = |name: &syn::Ident| {
            let replaces = |field: &Field| name.unraw() == field.key;
            arguments.fields.iter().any(replaces)
        };
        arguments.captures = bindings
            .iter()
            // The receiver is asked for by name, in `fields`: it holds more than a call's arguments.
            .filter(|binding| binding.name != "self")
            // `capture_all, fields(id = %id)` says how `id` is recorded.
            .filter(|binding| !replaced(&binding.name))
            .filter(|binding| {
                !arguments
                    .skip
                    .iter()
                    .any(|skipped| same(skipped, &binding.name))
            })
            .map(|binding| Capture {
                name: binding.name.clone(),
                form: Form::Debug,
                cfgs: binding.cfgs.clone(),
            })
            .collect();
    }
}

fn same(a: &syn::Ident, b: &syn::Ident) -> bool {
    a.unraw() == b.unraw()
}

fn find<'a>(name: &syn::Ident, bindings: &'a [Binding]) -> Option<&'a Binding> {
    bindings.iter().find(|binding| same(&binding.name, name))
}

fn no_argument(list: &str, name: &syn::Ident, function: &Function, bindings: &[Binding]) -> String {
    let function = &function.sig.ident;
    let names: Vec<String> = bindings
        .iter()
        .map(|binding| binding.name.to_string())
        .filter(|name| !name.starts_with('_') || name.len() > 1)
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = name.to_string();
    let advice = match (suggest::nearest(&found, &names), names.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "it has none with a name".to_owned(),
        (None, [one]) => format!("its only one is `{one}`"),
        (None, _) => format!("they are {}", suggest::list(&names)),
    };
    format!("`{list}` names an argument of `{function}`, and `{found}` is none: {advice}")
}

fn fields(arguments: &Arguments, function: &Function, bindings: &[Binding], errors: &mut Errors) {
    let mut seen: HashSet<&str> = HashSet::new();
    for field in &arguments.fields {
        if !seen.insert(&field.key) {
            errors.at_span(
                field.key_span,
                format!("duplicate attribute `{}`: it was given before", field.key),
            );
        }
        reserved(field, arguments, errors);
        shorthand(field, function, bindings, errors);
    }
    if arguments.capture_all.is_some() {
        // There a field replaces the capture of its name.
        return;
    }
    for capture in &arguments.captures {
        let name = capture.name.unraw().to_string();
        if seen.contains(name.as_str()) {
            errors.at(
                &capture.name,
                format!("duplicate attribute `{name}`: `fields` records it under the same key"),
            );
        }
    }
}

/// Keys that the macro writes itself, and keys that other instrumentation gives a meaning.
fn reserved(field: &Field, arguments: &Arguments, errors: &mut Errors) {
    let instead = match field.key.as_str() {
        "code.function.name" | "code.file.path" | "code.line.number"
            if arguments.code != Some(false) =>
        {
            "the macro records it, unless told `code = false`"
        }
        "error.type" if arguments.err.is_some() => "`err` records it",
        "otel_enhance.cancelled" => "the macro records it when a future is dropped unfinished",
        "otel.name" => "the name of the span is given by `name = \"…\"`",
        "otel.kind" => "the kind of the span is given by `kind = \"…\"`",
        "otel.status_code" | "otel.status_message" | "otel.status_description" => {
            "the status of the span is set by `err`, or by `set_status` in the function's body"
        }
        _ => return,
    };
    errors.at_span(
        field.key_span,
        format!("the attribute `{}` is reserved: {instead}", field.key),
    );
}

/// `fields(x)` without a value names an argument; said here, where the arguments are known, rather
/// than by the compiler's "cannot find value".
fn shorthand(field: &Field, function: &Function, bindings: &[Binding], errors: &mut Errors) {
    let Expr::Path(path) = &field.value else {
        return;
    };
    let Some(name) = path.path.get_ident() else {
        return;
    };
    let is_shorthand = name.unraw() == field.key;
    // An upper-case name may be a constant.
    let is_variable = name.unraw().to_string().starts_with(char::is_lowercase);
    if is_shorthand && is_variable && find(name, bindings).is_none() {
        errors.at(
            name,
            format!(
                "{}; a value that is known later is set in the body, by `set_attribute` of the active span",
                no_argument("fields", name, function, bindings)
            ),
        );
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
