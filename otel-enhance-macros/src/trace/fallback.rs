//! When the macro gives up: its errors, and the item as it was written, so that nothing that uses
//! the item becomes a second error.

use proc_macro2::TokenStream;
use quote::quote;

/// The item unchanged, behind every error.
pub(crate) fn emit(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let errors = error.to_compile_error();
    quote!(#errors #item)
}
