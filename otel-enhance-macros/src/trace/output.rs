//! What a function yields, as far as its signature tells.

use syn::punctuated::Punctuated;
use syn::{
    GenericArgument, Path, PathArguments, ReturnType, Signature, Token, Type, TypeParamBound,
};

/// What a call yields in the end: for functions that return a future, what that resolves to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Output<'a> {
    /// `()`
    Nothing,
    /// `!`
    Never,
    Value(&'a Type),
    /// A future that does not name its output.
    Unknown,
}

/// How a function gets to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It runs to its end and returns it.
    Value,
    /// `async fn`
    Async,
    /// `-> impl Future`
    ImplFuture,
    /// `-> Pin<Box<dyn Future>>`, `-> BoxFuture<T>`
    PinnedBox,
    /// `-> Box<dyn Future + Unpin>`
    Box,
}

/// The shape of `sig`.
pub(crate) fn shape(sig: &Signature) -> Shape {
    if sig.asyncness.is_some() {
        return Shape::Async;
    }
    let ReturnType::Type(_, ty) = &sig.output else {
        return Shape::Value;
    };
    let ty = plain(ty);
    if future(ty).is_none() {
        return Shape::Value;
    }
    match ty {
        Type::ImplTrait(_) => Shape::ImplFuture,
        Type::Path(path)
            if path
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "Box") =>
        {
            Shape::Box
        }
        _ => Shape::PinnedBox,
    }
}

/// The output of `sig`.
pub(crate) fn of(sig: &Signature) -> Output<'_> {
    let ReturnType::Type(_, ty) = &sig.output else {
        return Output::Nothing;
    };
    let ty = plain(ty);
    if sig.asyncness.is_none() {
        match future(ty) {
            Some(Some(resolved)) => return classify(resolved),
            Some(None) => return Output::Unknown,
            None => {}
        }
    }
    classify(ty)
}

fn classify(ty: &Type) -> Output<'_> {
    match plain(ty) {
        Type::Never(_) => Output::Never,
        Type::Tuple(tuple) if tuple.elems.is_empty() => Output::Nothing,
        other => Output::Value(other),
    }
}

/// Parentheses, and groups made by `macro_rules`, seen through.
fn plain(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => plain(&group.elem),
        Type::Paren(paren) => plain(&paren.elem),
        other => other,
    }
}

/// The output of `impl Future<Output = T>` and `Pin<Box<dyn Future<Output = T>>>`; the inner `None`
/// is a future that does not name it.
fn future(ty: &Type) -> Option<Option<&Type>> {
    match plain(ty) {
        Type::ImplTrait(bounds) => future_bound(&bounds.bounds),
        Type::TraitObject(bounds) => future_bound(&bounds.bounds),
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last()?;
            match last.ident.to_string().as_str() {
                "Pin" | "Box" => future(only_argument(&last.arguments)?),
                // The alias of the futures crates: `BoxFuture<'a, T>`.
                "BoxFuture" | "LocalBoxFuture" => Some(only_argument(&last.arguments)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn future_bound(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<Option<&Type>> {
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last()?;
            (last.ident == "Future").then(|| assoc_output(&last.arguments))
        }
        _ => None,
    })
}

fn assoc_output(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(&assoc.ty),
        _ => None,
    })
}

fn only_argument(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Whether `ty` cannot be a `Result`. An alias may be one: only what is known not to be counts.
pub(crate) fn is_no_result(ty: &Type) -> bool {
    match plain(ty) {
        Type::Array(_)
        | Type::FnPtr(_)
        | Type::Ptr(_)
        | Type::Reference(_)
        | Type::Slice(_)
        | Type::Tuple(_)
        | Type::ImplTrait(_) => true,
        Type::Path(path) if path.qself.is_none() => is_known_type(&path.path),
        _ => false,
    }
}

fn is_known_type(path: &Path) -> bool {
    const KNOWN: [&str; 24] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64", "String", "Vec", "Option", "HashMap", "BTreeMap",
        "Duration", "Instant",
    ];
    path.segments.len() == 1
        && path
            .segments
            .first()
            .is_some_and(|only| KNOWN.contains(&only.ident.to_string().as_str()))
}
