//! The pipeline as an expression.

use proc_macro2::{Span, TokenStream};
use quote::quote;

use super::model::{Call, Pipeline, Requirement};
use crate::arguments::{self, Errors};

/// The builder calls; in front of them, in a block, what the build must have and what is wrong. The
/// block keeps its type even then, so that no use of the guard becomes a second error.
pub(crate) fn expand(facade: &TokenStream, pipeline: &Pipeline, errors: Errors) -> TokenStream {
    let calls = pipeline
        .calls
        .iter()
        .map(|Call { method, value }| quote!(.#method(#value)));
    let install = match pipeline.simple {
        Some(span) => proc_macro2::Ident::new("install_simple", span),
        None => proc_macro2::Ident::new("install_batch", Span::mixed_site()),
    };
    let chain = quote!(#facade::new_enhanced_pipeline() #(#calls)* .#install());
    let requirements = pipeline
        .requirements
        .iter()
        .map(|Requirement { what, span }| arguments::requirement(facade, what, *span));
    match errors.finish() {
        Ok(()) if pipeline.requirements.is_empty() => chain,
        Ok(()) => quote!({ #(#requirements)* #chain }),
        Err(error) => {
            let errors = error.to_compile_error();
            quote!({ #errors #chain })
        }
    }
}
