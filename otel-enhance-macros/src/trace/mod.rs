//! `#[enhanced_trace]`: parse → model → validate → expand, and a fallback that re-emits the item.

mod expand;
mod fallback;
mod item;
mod lists;
mod model;
mod output;
mod parse;
mod validate;

use proc_macro2::TokenStream;
use quote::ToTokens as _;

use self::item::Function;
use self::model::Arguments;
use crate::arguments::{self, Errors};

/// The attribute: its arguments, and the item below it.
pub(crate) fn enhanced_trace(tokens: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut arguments = parse::arguments(tokens, &mut errors);
    let function = match syn::parse2::<Function>(arguments::ungrouped(item.clone())) {
        Ok(function) => {
            validate::validate(&mut arguments, &function, &mut errors);
            Some(function)
        }
        Err(error) => {
            errors.push(error);
            None
        }
    };
    match (errors.finish(), function) {
        (Ok(()), Some(function)) => {
            let mut expansion = requirements(&arguments);
            expansion.extend(expand::expand(&arguments, &function));
            expansion
        }
        (Err(error), _) => fallback::emit(&error, &item),
        (Ok(()), None) => item,
    }
}

/// What this build of the facade must have. The macro cannot see the facade's features: the facade
/// answers with nothing or with an error on the argument.
fn requirements(asked: &Arguments) -> TokenStream {
    let facade = asked.facade().to_token_stream();
    asked
        .profile
        .map(|span| arguments::requirement(&facade, "ebpf", span))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
