//! The expression that starts the span: a static callsite, and what the call adds to it.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, FnArg, Ident, Lit, Pat, Type};

use super::Names;
use crate::trace::item::Function;
use crate::trace::model::{Arguments, Form, Kind};

/// How the span is held by the code that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A `SpanGuard`.
    Guard,
    /// An `OpenSpan`.
    Future,
}

/// The statement that starts the span.
pub(super) fn start(
    holder: Holder,
    arguments: &Arguments,
    function: &Function,
    names: &Names,
) -> TokenStream {
    let Names {
        private,
        span,
        enabled,
        ..
    } = names;
    let site = Span::mixed_site();
    let begin = match holder {
        Holder::Future => Ident::new("open", site),
        Holder::Guard => Ident::new("enter", site),
    };
    let settings = settings(arguments, function);
    let attributes = arguments.fields.len() + arguments.captures.len();
    let started = if settings.is_empty() {
        quote_spanned!(site=> __CALLSITE.#begin())
    } else {
        quote_spanned! {site=>
            let mut start = __CALLSITE.begin(#attributes);
            #settings
            start.#begin()
        }
    };
    let (is_enabled, off) = match holder {
        Holder::Guard => (
            quote!(#enabled),
            quote_spanned!(site=> #private::SpanGuard::none()),
        ),
        Holder::Future => (
            is_enabled(arguments),
            quote_spanned!(site=> #private::OpenSpan::none()),
        ),
    };
    quote_spanned! {site=>
        let #span = if #is_enabled { #started } else { #off };
    }
}

/// For an `async fn`: what comes before its future is made, and what starts the span in it.
pub(super) fn in_place(
    arguments: &Arguments,
    function: &Function,
    names: &Names,
) -> (TokenStream, TokenStream) {
    let site = Span::mixed_site();
    let private = &names.private;
    let is_enabled = is_enabled(arguments);
    let settings = settings(arguments, function);
    if settings.is_empty() {
        let before = quote_spanned!(site=> let enabled = #is_enabled;);
        let open =
            quote_spanned!(site=> if enabled { __CALLSITE.open_in(future.as_mut().span()); });
        return (before, open);
    }
    let attributes = arguments.fields.len() + arguments.captures.len();
    let before = quote_spanned! {site=>
        let start = if #is_enabled {
            let mut start = __CALLSITE.begin(#attributes);
            #settings
            ::core::option::Option::Some(start)
        } else {
            ::core::option::Option::None
        };
    };
    // A call, so that `start` is gone before the function is suspended.
    let open = quote_spanned!(site=> #private::open_in(start, future.as_mut().span()););
    (before, open)
}

/// `start` for a function that is no closure, and so is not told whether it has a span.
pub(super) fn unless_told(
    arguments: &Arguments,
    names: &Names,
    start: &TokenStream,
) -> TokenStream {
    let enabled = &names.enabled;
    let is_enabled = is_enabled(arguments);
    quote_spanned!(Span::mixed_site()=> let #enabled = #is_enabled; #start)
}

/// The condition for a span.
pub(super) fn is_enabled(arguments: &Arguments) -> TokenStream {
    let enabled = arguments
        .enabled
        .as_ref()
        .map(|enabled| quote_spanned!(enabled.span()=> && (#enabled)));
    quote_spanned!(Span::mixed_site()=> __CALLSITE.is_enabled() #enabled)
}

/// The function's static.
pub(super) fn callsite(arguments: &Arguments, function: &Function, names: &Names) -> TokenStream {
    let private = &names.private;
    let none = quote!(::core::option::Option::None);
    let some = quote!(::core::option::Option::Some);
    let name = match &arguments.name {
        Some(name) => quote!(#some(#name)),
        None => none.clone(),
    };
    let kind = match arguments.kind.unwrap_or(Kind::Internal) {
        Kind::Internal => quote!(Internal),
        Kind::Server => quote!(Server),
        Kind::Client => quote!(Client),
        Kind::Producer => quote!(Producer),
        Kind::Consumer => quote!(Consumer),
    };
    let tracer = match &arguments.tracer {
        Some(tracer) => quote!(#tracer, #none),
        None => package(names),
    };
    let code = if arguments.code == Some(false) {
        none
    } else {
        // Of the function's name, not of the attribute above it.
        quote_spanned!(function.sig.ident.span()=>
            ::core::option::Option::Some((::core::file!(), ::core::line!())))
    };
    let profiled = arguments.profile.map(|_| quote!(.profiled()));
    // An enum without variants: a struct would be reported as never constructed.
    quote_spanned! {Span::mixed_site()=>
        enum __Here {}
        static __CALLSITE: #private::Callsite = #private::Callsite::new(
            #name, #private::SpanKind::#kind, (#tracer), #private::type_name::<__Here>, #code,
        )#profiled;
    }
}

/// Name and version of the crate that is being compiled.
fn package(names: &Names) -> TokenStream {
    let private = &names.private;
    match std::env::var("CARGO_PKG_NAME") {
        Ok(name) => {
            let version = match std::env::var("CARGO_PKG_VERSION") {
                Ok(version) => quote!(::core::option::Option::Some(#version)),
                Err(_) => quote!(::core::option::Option::None),
            };
            quote!(#name, #version)
        }
        // Built without cargo.
        Err(_) => quote!(
            #private::crate_of(::core::module_path!()), ::core::option::Option::None
        ),
    }
}

/// The statements that fill in `start`.
fn settings(arguments: &Arguments, function: &Function) -> TokenStream {
    let start = Ident::new("start", Span::mixed_site());
    let parent = arguments.parent.as_ref().map(|parent| {
        let method = Ident::new("parent", parent.span());
        quote!(#start.#method(#parent);)
    });
    let root = arguments.root.map(|_| quote!(#start.root();));
    let links = arguments.links.as_ref().map(|links| {
        let method = Ident::new("links", links.span());
        quote!(#start.#method(#links);)
    });
    let attributes = attributes(arguments, function, &start);
    let attributes = (!attributes.is_empty())
        .then(|| quote_spanned!(Span::mixed_site()=> if #start.is_wanted() { #attributes }));
    let sampled = match &arguments.sample {
        Some(sample) => quote!(if #start.sample(#sample) { #attributes }),
        None => quote!(#attributes),
    };
    quote!(#parent #root #links #sampled)
}

fn attributes(arguments: &Arguments, function: &Function, start: &Ident) -> TokenStream {
    let captures = arguments.captures.iter().map(|capture| {
        let name = &capture.name;
        let key = syn::ext::IdentExt::unraw(name).to_string();
        let cfgs = &capture.cfgs;
        let value: Expr = syn::parse_quote_spanned!(name.span()=> #name);
        let set = attribute(&key, capture.form, &value, function, start);
        quote!(#(#cfgs)* #set)
    });
    let fields = arguments
        .fields
        .iter()
        .map(|field| attribute(&field.key, field.form, &field.value, function, start));
    quote!(#(#captures)* #(#fields)*)
}

/// One `start.set…(key, value);`.
fn attribute(
    key: &str,
    form: Form,
    value: &Expr,
    function: &Function,
    start: &Ident,
) -> TokenStream {
    let method = |name| Ident::new(name, value.span());
    match form {
        Form::Display => {
            let method = method("set_display");
            let value = quote_spanned!(value.span()=> &(#value));
            quote!(#start.#method(#key, #value);)
        }
        Form::Debug => {
            let method = method("set_debug");
            let value = quote_spanned!(value.span()=> &(#value));
            quote!(#start.#method(#key, #value);)
        }
        Form::Value => {
            let (name, value) = match borrowing(value, function) {
                Borrowing::Static => ("set_static", quote!(#value)),
                Borrowing::StaticType => ("set_const", quote_spanned!(value.span()=> &(#value))),
                Borrowing::Place => ("set", quote_spanned!(value.span()=> &(#value))),
                Borrowing::Temporary => ("set", quote!(#value)),
            };
            let method = method(name);
            quote!(#start.#method(#key, #value);)
        }
    }
}

/// How a typed value is passed: without moving a variable, and without copying a `&'static str`.
enum Borrowing {
    /// A `&'static str`.
    Static,
    /// Of a type that borrows nothing shorter than `'static`, maybe a `&'static str`.
    StaticType,
    Place,
    Temporary,
}

fn borrowing(value: &Expr, function: &Function) -> Borrowing {
    match value {
        Expr::Lit(lit) if matches!(lit.lit, Lit::Str(_)) => Borrowing::Static,
        Expr::Paren(inner) => borrowing(&inner.expr, function),
        Expr::Group(inner) => borrowing(&inner.expr, function),
        Expr::Path(path) => match path.path.get_ident() {
            Some(name) if argument_is_static(name, function) => Borrowing::StaticType,
            _ if is_constant(&path.path) => Borrowing::StaticType,
            _ => Borrowing::Place,
        },
        Expr::Field(_) | Expr::Index(_) => Borrowing::Place,
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Deref(_)) => Borrowing::Place,
        _ => Borrowing::Temporary,
    }
}

/// `MAX`, `config::REGION`: by convention a constant or a static.
fn is_constant(path: &syn::Path) -> bool {
    path.segments.last().is_some_and(|last| {
        let name = last.ident.to_string();
        last.arguments.is_none()
            && name.starts_with(|first: char| first.is_ascii_uppercase())
            && name.len() > 1
            && !name.contains(|letter: char| letter.is_ascii_lowercase())
    })
}

/// Whether the argument's type is one of those that can hold a `&'static str`, as it is written.
fn argument_is_static(name: &Ident, function: &Function) -> bool {
    function.sig.inputs.iter().any(|input| match input {
        FnArg::Typed(typed) => {
            matches!(&*typed.pat, Pat::Ident(pat) if pat.ident == *name && pat.by_ref.is_none())
                && holds_static(&typed.ty)
        }
        FnArg::Receiver(_) => false,
    })
}

/// `&'static str`, `Option<&'static str>`, `Cow<'static, str>`.
fn holds_static(ty: &Type) -> bool {
    match ty {
        Type::Paren(inner) => holds_static(&inner.elem),
        Type::Group(inner) => holds_static(&inner.elem),
        Type::Reference(reference) => {
            let is_str = matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("str"));
            let is_static = |lifetime: &syn::Lifetime| lifetime.ident == "static";
            is_str && reference.lifetime.as_ref().is_some_and(is_static)
        }
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return false;
            };
            let mut arguments = arguments.args.iter();
            match (
                last.ident.to_string().as_str(),
                arguments.next(),
                arguments.next(),
            ) {
                ("Option", Some(syn::GenericArgument::Type(inner)), None) => holds_static(inner),
                (
                    "Cow",
                    Some(syn::GenericArgument::Lifetime(lifetime)),
                    Some(syn::GenericArgument::Type(Type::Path(inner))),
                ) => lifetime.ident == "static" && inner.path.is_ident("str"),
                _ => false,
            }
        }),
        _ => false,
    }
}
