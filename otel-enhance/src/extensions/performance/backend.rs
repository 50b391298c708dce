//! The seam's side of the fast path: spans of annotated functions.

use std::borrow::Cow;
use std::{fmt, mem};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};

use super::clock::clock;
use super::contents::Beginning;
use super::desk;
use super::provider::FastProvider;
use super::span::{FastSpan, SpanHandle};
use super::tracer::{Candidate, decide};
use crate::span::private::SpanGuard;
use crate::span::{Backend, SpanStart, spare};

/// Starts spans of annotated functions in records.
pub(crate) struct FastBackend {
    provider: FastProvider,
}

impl FastBackend {
    pub(crate) const fn new(provider: FastProvider) -> Self {
        Self { provider }
    }
}

impl Backend for FastBackend {
    #[inline]
    fn start(&self, span: &mut SpanStart, parent: &Context, base: &Context) -> Context {
        let hub = &self.provider.hub;
        if hub.config.sampler.is_some() {
            // It sees all attributes.
            span.push_code();
        }
        let decided = decide(hub, parent, || Candidate {
            name: &span.name,
            kind: &span.kind,
            attributes: &span.attributes,
            links: &span.links,
        });
        let span_context = decided.span_context;
        if !decided.is_recording {
            // The context needs its ids and flags only, and no span on the heap.
            return base.with_remote_span_context(span_context);
        }
        let active = parent.span();
        let mut record = desk::take(hub, span_context.is_sampled());
        let beginning = Beginning {
            hub: hub.id,
            span_context: &span_context,
            parent: Some(active.span_context()).filter(|active| SpanContext::is_valid(active)),
            name: mem::replace(&mut span.name, Cow::Borrowed("")),
            kind: span.kind.clone(),
            scope: span.scope,
            limits: hub.limits,
            is_told: hub.tells_of(&span_context),
        };
        let now = clock().now();
        record.with(|contents| {
            contents.begin(beginning, now);
            for attribute in span.attributes.drain(..) {
                contents.set_attribute(attribute);
            }
            if let Some(code) = span.code {
                contents.set_code(code);
            }
            for attribute in decided.attributes {
                contents.set_attribute(attribute);
            }
            if !span.links.is_empty() {
                contents.set_links(std::mem::take(&mut span.links));
            }
        });
        spare::give(mem::take(&mut span.attributes));
        let handle = record.publish();
        span.is_recording = true;
        span.handle = Some(SpanHandle(handle));
        base.with_span(FastSpan::recording(handle, span_context))
    }

    fn enter(&self, span: &mut SpanStart) -> SpanGuard {
        let context = Context::map_current(|current| self.start(span, current, current));
        let guard = SpanGuard::attach(context);
        if let Some(SpanHandle(handle)) = span.handle
            && let Some(place) = guard.span_context()
        {
            desk::enter(place, handle);
        }
        guard
    }
}

impl fmt::Debug for FastBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastBackend")
            .field("provider", &self.provider)
            .finish()
    }
}
