//! The extensions, each a module behind the feature of its name.
//!
//! [`simd`](https://docs.rs/otel-enhance/latest/otel_enhance/extensions/simd/),
//! [`performance`](https://docs.rs/otel-enhance/latest/otel_enhance/extensions/performance/),
//! [`ebpf`](https://docs.rs/otel-enhance/latest/otel_enhance/extensions/ebpf/) and
//! [`tracezip`](https://docs.rs/otel-enhance/latest/otel_enhance/extensions/tracezip/) are built.
//! `enterprise` and `semconv` are to come: asking for one is an error, never a silence, by its feature
//! here, by its argument in `init!`.

/// An error for each feature that this version has a name for, and nothing else.
macro_rules! not_built_yet {
    ($($feature:literal)*) => {$(
        #[cfg(feature = $feature)]
        compile_error! {
            concat!(
                "the extension `", $feature, "` is not built yet in this version of otel-enhance: ",
                "leave the feature `", $feature, "` out of Cargo.toml"
            )
        }
    )*};
}

not_built_yet! { "enterprise" "semconv" }

#[cfg(feature = "ebpf")]
pub mod ebpf;
#[cfg(feature = "performance")]
pub mod performance;
#[cfg(feature = "simd")]
pub mod simd;
#[cfg(feature = "tracezip")]
pub mod tracezip;
