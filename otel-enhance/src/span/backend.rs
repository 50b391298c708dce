//! Who makes the spans.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::{Span, SpanBuilder, TraceContextExt as _, Tracer, TracerProvider};

use super::scope::{PerScope, Scope};

/// A span about to start.
#[derive(Clone, Debug)]
pub struct SpanStart {
    /// Whose span it is.
    pub scope: Scope,
    /// Name, kind, attributes and links.
    pub builder: SpanBuilder,
}

/// Makes the spans of annotated functions. Implemented for every official tracer provider by
/// [`ProviderBackend`].
pub trait Backend: Send + Sync {
    /// Starts a span whose parent is the span of `parent`, and returns `base` with that span active.
    ///
    /// The two differ for root spans only, which keep the entries of `base` and take no parent.
    fn start(&self, start: SpanStart, parent: &Context, base: &Context) -> Context;
}

/// Starts spans at an official `TracerProvider`, with one cached tracer per scope.
pub struct ProviderBackend<P: TracerProvider> {
    provider: P,
    tracers: PerScope<P::Tracer>,
}

impl<P: TracerProvider> ProviderBackend<P> {
    /// A backend in front of `provider`.
    #[must_use]
    pub const fn new(provider: P) -> Self {
        Self {
            provider,
            tracers: PerScope::new(),
        }
    }
}

impl<P: TracerProvider + fmt::Debug> fmt::Debug for ProviderBackend<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderBackend")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl<P, T, S> Backend for ProviderBackend<P>
where
    P: TracerProvider<Tracer = T> + Send + Sync,
    T: Tracer<Span = S> + Send + Sync,
    S: Span + Send + Sync + 'static,
{
    fn start(&self, start: SpanStart, parent: &Context, base: &Context) -> Context {
        let tracer = self.tracers.get_or_init(start.scope, || {
            let scope = start.scope.to_instrumentation_scope();
            self.provider.tracer_with_scope(scope)
        });
        base.with_span(tracer.build_with_context(start.builder, parent))
    }
}
