//! From arguments and function to code.
//!
//! The body is emitted once, in the user's own tokens, whatever the arguments say. Variables of
//! ours have the hygiene of `mixed_site`: the body cannot see them.

mod boxed;
mod order;
mod start;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::visit_mut::VisitMut;
use syn::{Ident, Path, ReturnType, Type};

use self::start::Holder;
use super::item::Function;
use super::model::{Arguments, Form, Outcome};
use super::output::{self, Output, Shape};

/// The function with its span.
pub(crate) fn expand(arguments: &Arguments, function: &Function) -> TokenStream {
    let Function {
        attrs,
        vis,
        sig,
        inner_attrs,
        ..
    } = function;
    let shape = output::shape(sig);
    let holder = match shape {
        Shape::Value => Holder::Guard,
        _ => Holder::Future,
    };
    let names = Names::new(arguments);
    let start = start::start(holder, arguments, function, &names);
    let body = match shape {
        Shape::Value => value(arguments, function, &names, &start),
        Shape::Async => future_of_body(arguments, function, &names),
        shape => {
            let body = boxed::future_made(shape, arguments, function, &names);
            quote!(#start #body)
        }
    };
    let callsite = start::callsite(arguments, function, &names);
    quote_spanned! {Span::mixed_site()=>
        // The braces of a body on one line look needless behind the start of the span.
        #(#attrs)* #[allow(unused_braces)] #vis #sig {
            #(#inner_attrs)*
            #callsite
            #body
        }
    }
}

/// What the parts of an expansion have in common.
struct Names {
    /// `otel_enhance::__private`
    private: Path,
    span: Ident,
    output: Ident,
    recorder: Ident,
    /// In a closure that is told.
    enabled: Ident,
}

impl Names {
    fn new(arguments: &Arguments) -> Self {
        let local = |name| Ident::new(name, Span::mixed_site());
        let facade = arguments.facade();
        Self {
            private: syn::parse_quote!(#facade::__private),
            span: local("span"),
            output: local("output"),
            recorder: local("recorder"),
            enabled: local("enabled"),
        }
    }
}

/// The body in its braces, which stay the user's: lints look at where a block was written.
fn block(function: &Function) -> TokenStream {
    let mut tokens = TokenStream::new();
    function
        .brace
        .surround(&mut tokens, |tokens| tokens.extend(function.body.clone()));
    tokens
}

/// A function that runs to its end. It is a closure that is told whether it has a span, called in
/// one of two places: where nothing is installed, the function is its plain self behind one branch,
/// without registers saved for a span; elsewhere the call goes through a function of its own.
fn value(
    arguments: &Arguments,
    function: &Function,
    names: &Names,
    start: &TokenStream,
) -> TokenStream {
    let block = block(function);
    let Names {
        private,
        span,
        output,
        enabled,
        ..
    } = names;
    let returns = returns(&function.sig.output);
    let record = record(arguments, names);
    if record.is_none() && (tracks_caller(function) || returns_impl(&function.sig.output)) {
        let start = start::unless_told(arguments, names, start);
        return quote_spanned!(Span::mixed_site()=> #start let _span = #span; #block);
    }
    let taken = order::taken(function);
    let inner = if taken.is_empty() {
        block.clone()
    } else {
        quote_spanned!(Span::mixed_site()=> { #taken #block })
    };
    let body = match record {
        Some(record) => quote_spanned! {Span::mixed_site()=>
            #start
            let #output = #private::call(move || #returns #inner);
            #span.finish(&#output, #record);
            #output
        },
        // Taken before the span starts, whose attributes may name them in another order.
        None => quote_spanned!(Span::mixed_site()=> #taken #start #block),
    };
    let is_enabled = start::is_enabled(arguments);
    // Asked before the closure takes the arguments, which the condition may name.
    quote_spanned! {Span::mixed_site()=>
        let #enabled = #is_enabled;
        let function = #private::once(move |#enabled: bool| #returns {
            #body
        });
        if #enabled { #private::with_span(function) } else { function(false) }
    }
}

/// In a closure, `Location::caller()` would be a place in this expansion.
fn tracks_caller(function: &Function) -> bool {
    let is_one = |attr: &syn::Attribute| attr.path().is_ident("track_caller");
    function.attrs.iter().any(is_one)
}

/// A closure cannot say `impl Trait`, and what is inferred for it knows less: in
/// `-> impl Fn(&str) -> &str`, that the two lifetimes are one.
fn returns_impl(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => inferred(ty) != **ty,
    }
}

/// The return type of a closure.
fn returns(output: &ReturnType) -> TokenStream {
    match output {
        // Left out, it would be inferred from a body that may diverge.
        ReturnType::Default => quote_spanned!(Span::mixed_site()=> -> ()),
        ReturnType::Type(arrow, ty) => {
            let ty = inferred(ty);
            quote!(#arrow #ty)
        }
    }
}

/// An `async fn`: span and parent are taken at the first poll.
fn future_of_body(arguments: &Arguments, function: &Function, names: &Names) -> TokenStream {
    let block = block(function);
    // An `async` block cannot say what it yields, and `?` needs to know. Without an `allow`: a crate
    // that forbids the lint would be warned of it.
    let typed = match output::of(&function.sig) {
        Output::Value(ty) => {
            let ty = inferred(ty);
            quote_spanned! {Span::mixed_site()=>
                if let ::core::option::Option::Some(output) =
                    ::core::option::Option::<#ty>::None
                {
                    return output;
                }
            }
        }
        _ => TokenStream::new(),
    };
    let Names { private, .. } = names;
    let taken = order::taken(function);
    let body = quote_spanned!(Span::mixed_site()=> async move { #taken #typed #block });
    let made = match record(arguments, names) {
        Some(record) => {
            quote_spanned!(Span::mixed_site()=> #private::Instrumented::new_with(#body, #record))
        }
        None => quote_spanned!(Span::mixed_site()=> #private::Instrumented::new(#body)),
    };
    let (before, open) = start::in_place(arguments, function, names);
    // Pinned where it is made, and the span started where it is kept: moving either stalls the
    // processor. Attributes are read before the body takes the arguments.
    quote_spanned! {Span::mixed_site()=>
        #before
        let mut future = ::core::pin::pin!(#made);
        #open
        future.await
    }
}

/// `future` under the span.
fn instrumented(arguments: &Arguments, future: &TokenStream, names: &Names) -> TokenStream {
    let span = &names.span;
    match record(arguments, names) {
        Some(record) => {
            quote_spanned!(Span::mixed_site()=> #span.instrument_with(#future, #record))
        }
        None => quote_spanned!(Span::mixed_site()=> #span.instrument(#future)),
    }
}

/// What is done with the output: `|recorder, output| …`, if anything is.
fn record(arguments: &Arguments, names: &Names) -> Option<TokenStream> {
    let Names {
        output, recorder, ..
    } = names;
    let err = arguments.err.as_ref().map(|err| err_call(err, names));
    let ret = arguments.ret.as_ref().map(|ret| ret_call(ret, names));
    let calls = match (err, ret) {
        (None, None) => return None,
        (Some(call), None) | (None, Some(call)) => call,
        // Of a `Result` whose errors are recorded, `ret` is the value.
        (Some(err), Some(ret)) => quote_spanned! {Span::mixed_site()=>
            #err;
            if let ::core::result::Result::Ok(#output) = #output { #ret; }
        },
    };
    Some(quote_spanned!(Span::mixed_site()=> |#recorder, #output| { #calls }))
}

fn err_call(err: &Outcome, names: &Names) -> TokenStream {
    let Names {
        output, recorder, ..
    } = names;
    let event = err.exception_event;
    let method = match err.form {
        Form::Debug => Ident::new("err_debug", err.span),
        Form::Display | Form::Value => Ident::new("err_display", err.span),
    };
    quote!(#recorder.#method(#output, #event))
}

fn ret_call(ret: &Outcome, names: &Names) -> TokenStream {
    let Names {
        output, recorder, ..
    } = names;
    let method = match ret.form {
        Form::Value => Ident::new("ret_value", ret.span),
        Form::Display => Ident::new("ret_display", ret.span),
        Form::Debug => Ident::new("ret_debug", ret.span),
    };
    quote!(#recorder.#method(#output))
}

/// A type for a place where `impl Trait` cannot be said: there it is left to inference.
fn inferred(ty: &Type) -> Type {
    struct Infer;
    impl VisitMut for Infer {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if matches!(ty, Type::ImplTrait(_)) {
                *ty = syn::parse_quote!(_);
            } else {
                syn::visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    let mut ty = ty.clone();
    Infer.visit_type_mut(&mut ty);
    ty
}
