//! Functions that are not `async` and return a future, what `#[async_trait]` makes of a method
//! included: the span starts at the call, and is active while the future is polled.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::visit::Visit;
use syn::{Block, Expr, ExprCall, Stmt};

use super::{Names, block, instrumented, record};
use crate::trace::item::Function;
use crate::trace::model::Arguments;
use crate::trace::output::Shape;

/// The body of such a function.
pub(super) fn future_made(
    shape: Shape,
    arguments: &Arguments,
    function: &Function,
    names: &Names,
) -> TokenStream {
    let block = block(function);
    if shape == Shape::PinnedBox
        && let Some(body) = inside_the_box(arguments, &block, names)
    {
        return body;
    }
    let span = &names.span;
    let site = Span::mixed_site();
    // An `impl Future` has no name that the closure could return.
    let made = match (shape, &function.sig.output) {
        (Shape::PinnedBox | Shape::Box, syn::ReturnType::Type(arrow, ty)) => {
            let ty = super::inferred(ty);
            quote_spanned!(site=> move || #arrow #ty #block)
        }
        _ => quote_spanned!(site=> move || #block),
    };
    let future = match record(arguments, names) {
        Some(record) => quote_spanned!(site=> #span.instrument_made_with(#made, #record)),
        None => quote_spanned!(site=> #span.instrument_made(#made)),
    };
    match shape {
        Shape::PinnedBox => quote_spanned!(site=> ::std::boxed::Box::pin(#future)),
        Shape::Box => quote_spanned!(site=> ::std::boxed::Box::new(#future)),
        _ => future,
    }
}

/// A body that ends in `Box::pin(future)` and returns nowhere else: the future is wrapped inside
/// its box, without a second one.
fn inside_the_box(
    arguments: &Arguments,
    block: &TokenStream,
    names: &Names,
) -> Option<TokenStream> {
    let mut block: Block = syn::parse2(block.clone()).ok()?;
    if block.stmts.iter().any(leaves) {
        return None;
    }
    let Some(Stmt::Expr(Expr::Call(call), None)) = block.stmts.last_mut() else {
        return None;
    };
    if !is_box_pin(call) {
        return None;
    }
    let future = call.args.first_mut()?;
    let wrapped = instrumented(arguments, &future.to_token_stream(), names);
    *future = Expr::Verbatim(wrapped);
    Some(block.into_token_stream())
}

fn is_box_pin(call: &ExprCall) -> bool {
    let Expr::Path(path) = &*call.func else {
        return false;
    };
    let mut last = path.path.segments.iter().rev();
    call.args.len() == 1
        && last.next().is_some_and(|segment| segment.ident == "pin")
        && last.next().is_some_and(|segment| segment.ident == "Box")
}

/// Whether a statement can return from the function.
fn leaves(statement: &Stmt) -> bool {
    struct Find(bool);
    impl Visit<'_> for Find {
        fn visit_expr_return(&mut self, _: &syn::ExprReturn) {
            self.0 = true;
        }
        fn visit_expr_try(&mut self, _: &syn::ExprTry) {
            self.0 = true;
        }
        fn visit_macro(&mut self, _: &syn::Macro) {
            // It may hide either.
            self.0 = true;
        }
        // What these return, they return from themselves.
        fn visit_expr_closure(&mut self, _: &syn::ExprClosure) {}
        fn visit_expr_async(&mut self, _: &syn::ExprAsync) {}
        fn visit_item(&mut self, _: &syn::Item) {}
    }
    let mut find = Find(false);
    find.visit_stmt(statement);
    find.0
}
