//! The macros of otel-enhance. Use them through the `otel_enhance` crate, which re-exports and
//! documents them: the code they make refers to it.

mod arguments;
mod init;
mod suggest;
mod trace;

use proc_macro::TokenStream;

/// Records a span for each call of the annotated function; documented in `otel_enhance`.
#[proc_macro_attribute]
pub fn enhanced_trace(arguments: TokenStream, item: TokenStream) -> TokenStream {
    trace::enhanced_trace(arguments.into(), item.into()).into()
}

/// What `init!` of `otel_enhance` expands to: the facade's path, `;`, the arguments.
#[doc(hidden)]
#[proc_macro]
pub fn __init(input: TokenStream) -> TokenStream {
    init::init(input.into()).into()
}
