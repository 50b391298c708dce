//! The seam between `#[enhanced_trace]` and whoever makes the spans.
//!
//! An annotated function owns a static [`Callsite`](callsite::Callsite). If a backend is installed
//! (one relaxed load decides), the callsite collects attributes in a [`Start`](start::Start), the
//! [`Backend`] turns it into an official `Context`, and a guard (or, around a future, a wrapper)
//! attaches it and ends the span. Nothing here names the SDK.

mod backend;
pub(crate) mod callsite;
mod code;
mod future;
mod guard;
mod lent;
mod parent;
mod path;
mod recorder;
pub(crate) mod registry;
mod sample;
mod scope;
pub(crate) mod spare;
mod start;
pub mod task;
mod value;

pub use backend::{Backend, ProviderBackend, SpanStart};
#[cfg(feature = "performance")]
pub(crate) use callsite::Resolved;
pub use code::Code;
pub use parent::{IntoLink, IntoParent, Parent};
#[cfg(feature = "performance")]
pub(crate) use recorder::Written;
#[cfg(all(unix, feature = "sdk"))]
pub(crate) use registry::RegistryGuard;
#[cfg(feature = "performance")]
pub(crate) use registry::installation;
#[cfg(all(feature = "performance", feature = "testing"))]
pub(crate) use registry::replace;
pub use registry::{Registration, follow_global, install, set_tracer_provider};
pub use scope::Scope;
#[cfg(all(unix, feature = "sdk"))]
pub(crate) use scope::ScopesGuard;
pub use value::{AttributeElement, AttributeValue};

/// What expansions name. No part of the public interface: it changes with the macros.
#[doc(hidden)]
pub mod private {
    pub use super::callsite::{Callsite, crate_of, type_name};
    pub use super::future::{Instrumented, OpenSpan};
    pub use super::guard::{SpanGuard, call, once, with_span};
    pub use super::recorder::Recorder;
    pub use super::start::{Start, open_in};
    pub use super::value::AttributeSink;
    pub use opentelemetry::trace::SpanKind;
}
