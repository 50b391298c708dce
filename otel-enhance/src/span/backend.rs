//! Who makes the spans.

use std::borrow::Cow;
use std::fmt;

use opentelemetry::trace::{
    Link, Span, SpanBuilder, SpanKind, TraceContextExt as _, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};

use super::code::Code;
use super::future::OpenSpan;
use super::guard::SpanGuard;
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
    /// Attributes that follow those: where its function stands.
    pub code: Option<&'static Code>,
    /// Its links, all of them valid.
    pub links: Vec<Link>,
    /// Set by the backend: whether the span records. One that does not is neither told of errors nor
    /// ended.
    pub is_recording: bool,
    /// Whether it shall have figures where not all spans have.
    #[cfg(feature = "ebpf")]
    pub(crate) is_profiled: bool,
    /// Set by the fast path: how the span is ended without its context.
    #[cfg(feature = "performance")]
    pub(crate) handle: Option<crate::extensions::performance::SpanHandle>,
    /// Which installation of the backend this is.
    #[cfg(feature = "performance")]
    pub(crate) installation: u64,
}

impl SpanStart {
    /// Whether the backend has taken all that would have to be dropped, as it does as a rule. Whoever
    /// forgets such a span saves its destructor, which looks at each field out of line.
    #[inline(always)]
    pub(crate) const fn is_taken(&self) -> bool {
        self.attributes.capacity() == 0
            && self.links.capacity() == 0
            && matches!(self.name, Cow::Borrowed(_))
    }

    #[inline(always)]
    pub(crate) const fn set_installation(&mut self, installation: u64) {
        #[cfg(feature = "performance")]
        {
            self.installation = installation;
        }
        #[cfg(not(feature = "performance"))]
        let _ = installation;
    }

    /// Appends what is known of its function to the attributes.
    #[inline(always)]
    pub(crate) fn push_code(&mut self) {
        if let Some(code) = self.code.take() {
            code.push_to(&mut self.attributes);
        }
    }

    /// The official builder of the same span; name, attributes and links are moved into it.
    #[inline]
    fn take_builder(&mut self) -> SpanBuilder {
        self.push_code();
        SpanBuilder {
            span_kind: Some(self.kind.clone()),
            // `take` would leave an owned, empty string, which has a destructor.
            name: std::mem::replace(&mut self.name, Cow::Borrowed("")),
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
    fn start(&self, span: &mut SpanStart, parent: &Context, base: &Context) -> Context;

    /// Starts a child of the active span, and makes it the active one until the guard is dropped.
    fn enter(&self, span: &mut SpanStart) -> SpanGuard {
        let context = Context::map_current(|current| self.start(span, current, current));
        SpanGuard::attach(context)
    }

    /// Starts a child of the active span for a future.
    fn open(&self, span: &mut SpanStart, open: &mut OpenSpan) {
        Context::map_current(|current| {
            open.start(|| {
                let context = self.start(span, current, current);
                (context, span.is_recording)
            });
        });
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

    #[inline(always)]
    fn tracer(&self, scope: Scope) -> &P::Tracer {
        self.tracers.get_or_init(scope, || {
            self.provider
                .tracer_with_scope(scope.to_instrumentation_scope())
        })
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
    fn start(&self, span: &mut SpanStart, parent: &Context, base: &Context) -> Context {
        start_at(self.tracer(span.scope), span, parent, base)
    }

    // In one piece: each move of a `Context` costs a stalled load.
    fn enter(&self, span: &mut SpanStart) -> SpanGuard {
        let tracer = self.tracer(span.scope);
        let context = Context::map_current(|current| start_at(tracer, span, current, current));
        SpanGuard::attach(context)
    }

    fn open(&self, span: &mut SpanStart, open: &mut OpenSpan) {
        let tracer = self.tracer(span.scope);
        Context::map_current(|current| {
            open.start(|| {
                let context = start_at(tracer, span, current, current);
                (context, span.is_recording)
            });
        });
    }
}

/// Starts a span at an official tracer.
#[inline(always)]
pub(crate) fn start_at<T>(
    tracer: &T,
    start: &mut SpanStart,
    parent: &Context,
    base: &Context,
) -> Context
where
    T: Tracer,
    T::Span: Send + Sync + 'static,
{
    let span = tracer.build_with_context(start.take_builder(), parent);
    if span.is_recording() {
        start.is_recording = true;
        #[cfg(feature = "ebpf")]
        if start.is_profiled {
            crate::extensions::ebpf::mark(span.span_context());
        }
        base.with_span(span)
    } else {
        // The context needs its ids and flags only, and no span on the heap.
        base.with_remote_span_context(span.span_context().clone())
    }
}
