//! Who makes the spans.

use std::borrow::Cow;
use std::fmt;

use opentelemetry::trace::{
    Link, Span, SpanBuilder, SpanKind, TraceContextExt as _, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};

use super::scope::{PerScope, Scope};

/// A span about to start. A backend takes out what it needs.
#[derive(Clone, Debug)]
pub struct SpanStart {
    /// Whose span it is.
    pub scope: Scope,
    /// What it is called.
    pub name: Cow<'static, str>,
    /// Its kind.
    pub kind: SpanKind,
    /// Its first attributes.
    pub attributes: Vec<KeyValue>,
    /// Its links, all of them valid.
    pub links: Vec<Link>,
}

impl SpanStart {
    /// The official builder of the same span; name, attributes and links are moved into it.
    #[inline]
    pub(crate) fn take_builder(&mut self) -> SpanBuilder {
        SpanBuilder {
            span_kind: Some(self.kind.clone()),
            name: std::mem::take(&mut self.name),
            start_time: None,
            attributes: Some(std::mem::take(&mut self.attributes)),
            events: None,
            links: (!self.links.is_empty()).then(|| std::mem::take(&mut self.links)),
        }
    }
}

/// Makes the spans of annotated functions. Implemented for every official tracer provider by
/// [`ProviderBackend`].
pub trait Backend: Send + Sync {
    /// Starts a span whose parent is the span of `parent`, and returns `base` with that span active.
    ///
    /// The two differ for root spans only, which keep the entries of `base` and take no parent.
    fn start(&self, start: &mut SpanStart, parent: &Context, base: &Context) -> Started;
}

/// A span that has started.
#[derive(Clone, Debug)]
pub struct Started {
    /// A context in which it is the active span.
    pub context: Context,
    /// Whether it records; one that does not is neither told of errors nor ended.
    pub is_recording: bool,
}

impl Started {
    /// `base` with `span` active.
    #[inline]
    pub fn new<S: Span + Send + Sync + 'static>(span: S, base: &Context) -> Self {
        let is_recording = span.is_recording();
        Self {
            context: base.with_span(span),
            is_recording,
        }
    }
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
    fn start(&self, start: &mut SpanStart, parent: &Context, base: &Context) -> Started {
        let tracer = self.tracers.get_or_init(start.scope, || {
            let scope = start.scope.to_instrumentation_scope();
            self.provider.tracer_with_scope(scope)
        });
        Started::new(
            tracer.build_with_context(start.take_builder(), parent),
            base,
        )
    }
}
