//! `ebpf`, with settings or without.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::ParseStream;
use syn::{Ident, token};

use super::lists::{self, Setting, Value};
use super::model::Pipeline;
use super::performance::Choice;
use crate::arguments::{self, Errors};

pub(crate) const SETTINGS: [Setting; 12] = [
    ("sample_hz", "with_ebpf_sample_hz", Value::Number),
    ("off_cpu", "with_ebpf_off_cpu", Value::Flag),
    ("off_cpu_min", "with_ebpf_off_cpu_min", Value::Duration),
    ("spans", "with_ebpf_spans", Value::Spans),
    ("max_threads", "with_ebpf_max_threads", Value::Number),
    ("page_faults", "with_ebpf_page_faults", Value::Flag),
    ("publish", "with_ebpf_publishing", Value::Flag),
    ("pinned_map", "with_ebpf_pinned_map", Value::Text),
    ("profile_folder", "with_ebpf_profile_folder", Value::Text),
    (
        "profile_interval",
        "with_ebpf_profile_interval",
        Value::Duration,
    ),
    ("otlp_profiles", "with_ebpf_otlp_profiles", Value::Flag),
    (
        "profiles_endpoint",
        "with_ebpf_profiles_endpoint",
        Value::Text,
    ),
];

/// `ebpf`, `ebpf(sample_hz = 99, off_cpu)`.
pub(crate) fn ebpf(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
    pipeline: &mut Pipeline,
    errors: &mut Errors,
) -> syn::Result<()> {
    pipeline.require("ebpf", key.span());
    pipeline.call("with_ebpf_profiling", key.span(), quote!(true));
    if !input.peek(token::Paren) {
        return arguments::flag(input, key);
    }
    lists::settings_of(
        input,
        key,
        "sample_hz = 99",
        &SETTINGS,
        facade,
        pipeline,
        errors,
    )
}

/// Reads `= "marked"`, `= "all"`, or an expression that is an `EbpfSpans`.
pub(crate) fn spans(
    input: ParseStream<'_>,
    key: &Ident,
    facade: &TokenStream,
) -> syn::Result<TokenStream> {
    Choice {
        example: "spans = \"marked\"",
        expected: "which spans have figures",
        write: "`spans = \"all\"` or `\"marked\"`",
        unknown: "choice of spans",
        known: &["all", "marked"],
        variants: &["All", "Marked"],
        of: quote!(#facade::config::EbpfSpans),
    }
    .read(input, key)
}
