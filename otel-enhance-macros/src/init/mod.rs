//! `init!`: parse → model → validate → expand. The expansion is what a person would have written:
//! calls of the pipeline builder, one for each argument.

mod choices;
mod durations;
mod ebpf;
mod expand;
mod lists;
mod model;
mod parse;
mod performance;
mod simd;
mod tracezip;
mod validate;

use proc_macro2::{TokenStream, TokenTree};

use crate::arguments::Errors;

/// The expression that `init!` stands for; `input` is the facade's path, `;`, the arguments.
pub(crate) fn init(input: TokenStream) -> TokenStream {
    let (facade, arguments) = split(input);
    let mut errors = Errors::default();
    let pipeline = parse::arguments(&facade, arguments, &mut errors);
    validate::validate(&pipeline, &mut errors);
    expand::expand(&facade, &pipeline, errors)
}

/// At the first `;`: the facade's macro puts it there.
fn split(input: TokenStream) -> (TokenStream, TokenStream) {
    let mut trees = input.into_iter();
    let facade = trees
        .by_ref()
        .take_while(|tree| !matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ';'))
        .collect();
    (facade, trees.collect())
}

#[cfg(test)]
mod tests;
