//! What can go wrong in code that installs telemetry. Faults of the environment are no errors:
//! they become [`Diagnostic`](crate::config::Diagnostic)s.

/// Why a pipeline could not be installed. The application decides whether it runs on without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A value given in code is not usable.
    #[error("`{argument}` is `{value}`: expected {expected}")]
    InvalidArgument {
        /// The argument of `init!`, or the builder's method without `with_`.
        argument: &'static str,
        /// What it held.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A guard of an earlier `init!` or `install_*` is still alive.
    #[error(
        "telemetry is installed already: shut the living TelemetryGuard down, or drop it, before a second install"
    )]
    AlreadyInstalled,
    /// The pipeline asks for something that this build leaves out.
    #[error(
        "`{argument}` needs the cargo feature `{feature}` of otel-enhance: switch it on in Cargo.toml"
    )]
    FeatureMissing {
        /// What asked for it.
        argument: &'static str,
        /// The feature to switch on.
        feature: &'static str,
    },
    /// The official exporter builder refused its settings.
    #[error("the {protocol} exporter cannot be built")]
    Exporter {
        /// `OTLP/HTTP`, `OTLP/gRPC`.
        protocol: &'static str,
        /// The builder's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread or runtime that exports could not be started.
    #[error("the export runtime cannot be started")]
    Runtime(#[source] std::io::Error),
    /// The exporter expression of `init!` panicked.
    #[error("the exporter given in code panicked while it was built: {0}")]
    ExporterPanicked(String),
}
