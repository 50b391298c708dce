//! The order in which arguments are dropped. A function drops them last to first; a closure or an
//! `async` block drops what it took in the order in which its body names them.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::{FnArg, Ident, ReceiverKind, Type};

use crate::trace::item::Function;

/// Statements at the top of a closure or `async` block that name the arguments last to first, which
/// does nothing at run time. What an argument of `_` holds cannot be named.
pub(super) fn taken(function: &Function) -> TokenStream {
    let mut bindings = function.bindings_of(may_drop);
    // An argument that is never used is to be reported as such, and so is not named.
    bindings.retain(|binding| {
        let name = binding.name.to_string();
        name == "self" || name.starts_with('_') || is_named(&binding.name, &name, &function.body)
    });
    if bindings.len() < 2 {
        return TokenStream::new();
    }
    let statements = bindings.iter().rev().map(|binding| {
        let name = &binding.name;
        let cfgs = &binding.cfgs;
        quote_spanned!(Span::mixed_site()=> #(#cfgs)* let _ = &#name;)
    });
    statements.collect()
}

/// Whether it is worth asking when an argument is dropped, as far as its type tells.
fn may_drop(input: &FnArg) -> bool {
    match input {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(..) => false,
            ReceiverKind::Typed(_, ty) => !is_plain(ty),
            _ => true,
        },
        FnArg::Typed(typed) => !is_plain(&typed.ty),
    }
}

fn is_plain(ty: &Type) -> bool {
    const PLAIN: [&str; 16] = [
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
        "i128", "isize", "f32", "f64",
    ];
    match ty {
        Type::Paren(inner) => is_plain(&inner.elem),
        Type::Group(inner) => is_plain(&inner.elem),
        Type::Reference(_) | Type::Ptr(_) | Type::FnPtr(_) | Type::Never(_) => true,
        Type::Path(path) => PLAIN.iter().any(|plain| path.path.is_ident(plain)),
        _ => false,
    }
}

/// In `body`, the string of a `format!` included.
fn is_named(name: &Ident, text: &str, body: &TokenStream) -> bool {
    body.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => is_named(name, text, &group.stream()),
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Literal(literal) => literal.to_string().contains(text),
        TokenTree::Punct(_) => false,
    })
}
