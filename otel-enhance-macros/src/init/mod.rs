//! `init!`: arguments to the calls of the pipeline builder.

use proc_macro2::TokenStream;

/// The expression that `init!` stands for.
pub(crate) fn init(_input: TokenStream) -> TokenStream {
    quote::quote!(::core::compile_error! { "`init!` is not built yet" })
}
