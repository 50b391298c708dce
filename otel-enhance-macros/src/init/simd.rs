//! `simd`, with settings or without.

use quote::quote;
use syn::parse::ParseStream;
use syn::{Ident, token};

use super::lists::{self, Setting, Value};
use super::model::Pipeline;
use crate::arguments::{self, Errors};

const SETTINGS: [Setting; 3] = [
    ("encode", "with_simd_optimization", Value::Bool),
    ("red_metrics", "with_red_metrics", Value::Bool),
    ("red_max_series", "with_red_max_series", Value::Number),
];

/// `simd`, `simd(red_metrics = true, red_max_series = 500)`.
pub(crate) fn simd(
    input: ParseStream<'_>,
    key: &Ident,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    pipeline.require("simd", key.span());
    let first = pipeline.calls.len();
    if input.peek(token::Paren) {
        lists::settings(
            input,
            key,
            "red_metrics = true",
            &SETTINGS,
            pipeline,
            errors,
        )?;
    } else {
        arguments::flag(input, key)?;
    }
    let given = &pipeline.calls[first..];
    if !given
        .iter()
        .any(|call| call.method == "with_simd_optimization")
    {
        pipeline.call("with_simd_optimization", key.span(), quote!(true));
    }
    Ok(())
}
