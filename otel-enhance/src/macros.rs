//! The macros, and what they ask of this build: a macro cannot see the features of the crate it
//! belongs to, so its expansion calls `__require_*`, which are nothing or an error by feature.

#[doc = include_str!("../docs/enhanced_trace.md")]
pub use otel_enhance_macros::enhanced_trace;

#[doc(hidden)]
#[cfg(feature = "sdk")]
pub use otel_enhance_macros::__init;

#[doc = include_str!("../docs/init.md")]
#[cfg(feature = "sdk")]
#[macro_export]
macro_rules! init {
    ($($arguments:tt)*) => {
        $crate::__init! { $crate; $($arguments)* }
    };
}

/// Needs the cargo feature `sdk`, which `otlp-http` and `otlp-grpc` imply.
#[cfg(not(feature = "sdk"))]
#[macro_export]
macro_rules! init {
    ($($arguments:tt)*) => {
        ::core::compile_error! {
            "`init!` needs the cargo feature `sdk` of otel-enhance, or one that implies it: `otlp-http` (a default), `otlp-grpc`"
        }
    };
}

/// Defines what an argument of a macro requires of this build.
macro_rules! requirement {
    // Part of this build if the feature is on.
    ($($name:ident: $feature:literal, $message:literal;)*) => {$(
        #[cfg(feature = $feature)]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $name { () => {}; }

        #[cfg(not(feature = $feature))]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $name { () => { ::core::compile_error! { $message } }; }
    )*};
}

/// Defines the arguments of extensions that no build has yet.
macro_rules! to_come {
    ($($name:ident: $message:literal;)*) => {$(
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $name { () => { ::core::compile_error! { $message } }; }
    )*};
}

requirement! {
    __require_otlp_http: "otlp-http", "`otlp_http` needs the cargo feature `otlp-http` of otel-enhance: switch it on in Cargo.toml";
    __require_otlp_json: "otlp-json", "`otlp_json` needs the cargo feature `otlp-json` of otel-enhance: switch it on in Cargo.toml";
    __require_otlp_grpc: "otlp-grpc", "`otlp_grpc` needs the cargo feature `otlp-grpc` of otel-enhance: switch it on in Cargo.toml";
    __require_tls: "tls-no-provider", "`tls` needs the cargo feature `tls` of otel-enhance (or `tls-no-provider`, for a process that installs its own rustls provider): switch it on in Cargo.toml";
    __require_gzip: "gzip", "`gzip` needs the cargo feature `gzip` of otel-enhance: switch it on in Cargo.toml";
    __require_ebpf: "ebpf", "`ebpf` and `profile` need the cargo feature `ebpf` of otel-enhance: switch it on in Cargo.toml";
    __require_performance: "performance", "`performance` needs the cargo feature `performance` of otel-enhance: switch it on in Cargo.toml";
    __require_zstd: "zstd", "`zstd` needs the cargo feature `zstd` of otel-enhance: switch it on in Cargo.toml";
    __require_tracezip: "tracezip", "`tracezip` needs the cargo feature `tracezip` of otel-enhance: switch it on in Cargo.toml";
    __require_simd: "simd", "`simd` needs the cargo feature `simd` of otel-enhance: switch it on in Cargo.toml";
}

to_come! {
    __require_enterprise: "the extension `enterprise` is not built yet: leave this argument out";
    __require_semconv: "the extension `semconv` is not built yet: leave this argument out";
}
