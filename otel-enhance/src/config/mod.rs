//! Settings: code over environment over default, every `OTEL_*` variable parsed by us.

mod diagnostics;
mod settings;

pub use diagnostics::{Diagnostic, Diagnostics};
pub use settings::{BatchSettings, Compression, OtlpSettings, Protocol, SpanLimits, TlsSettings};
pub(crate) use settings::{ExporterKind, Overrides, Propagator, SamplerChoice, Settings};
