//! How a span starts.

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanKind, TraceContextExt as _, TraceFlags, Tracer,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::SamplingDecision;

use super::clock::clock;
use super::contents::Beginning;
use super::desk;
use super::hub::Hub;
use super::ids;
use super::span::FastSpan;
use crate::span::Scope;

/// An official tracer of the fast path.
#[derive(Clone)]
pub struct FastTracer {
    hub: Arc<Hub>,
    scope: NumberedScope,
}

/// A scope as its spans carry it.
#[derive(Clone, Debug)]
enum NumberedScope {
    Numbered(Scope),
    /// There are too many to number them.
    Whole(Arc<InstrumentationScope>),
}

impl FastTracer {
    pub(super) fn new(hub: Arc<Hub>, scope: InstrumentationScope) -> Self {
        let scope = match Scope::of(&scope) {
            Some(scope) => NumberedScope::Numbered(scope),
            None => NumberedScope::Whole(Arc::new(scope)),
        };
        Self { hub, scope }
    }
}

impl fmt::Debug for FastTracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastTracer")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// What the sampler is asked about.
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'a SpanKind,
    pub(super) attributes: &'a [KeyValue],
    pub(super) links: &'a [Link],
}

/// A decision about a span, with its ids.
pub(super) struct Decided {
    pub(super) span_context: SpanContext,
    pub(super) is_recording: bool,
    /// What the sampler adds.
    pub(super) attributes: Vec<KeyValue>,
}

impl Decided {
    fn nothing() -> Self {
        Self {
            span_context: SpanContext::empty_context(),
            is_recording: false,
            attributes: Vec::new(),
        }
    }
}

/// Decides about a span under `parent`, in the order and with the results of the SDK.
#[inline(always)]
pub(super) fn decide<'a>(
    hub: &Hub,
    parent: &Context,
    candidate: impl FnOnce() -> Candidate<'a>,
) -> Decided {
    if parent.is_telemetry_suppressed() || hub.is_closed() {
        return Decided::nothing();
    }
    let config = &hub.config;
    let span_id = match &config.ids {
        None => ids::span_id(),
        Some(generator) => generator.new_span_id(),
    };
    let active = parent.span();
    let active = active.span_context();
    let parent_context = active.is_valid().then_some(active);
    let new_trace_id = || match &config.ids {
        None => ids::trace_id(),
        Some(generator) => generator.new_trace_id(),
    };
    let trace_id = parent_context.map_or_else(new_trace_id, SpanContext::trace_id);
    let parent_flags = parent_context.map_or(TraceFlags::default(), SpanContext::trace_flags);
    let (decision, attributes, trace_state) = match &config.sampler {
        None => {
            // `Sampler::ParentBased(AlwaysOn)`: a parent that is active and not valid counts.
            let is_sampled = !parent.has_active_span() || active.is_sampled();
            let decision = if is_sampled {
                SamplingDecision::RecordAndSample
            } else {
                SamplingDecision::Drop
            };
            (decision, Vec::new(), active.trace_state().clone())
        }
        Some(sampler) => {
            let candidate = candidate();
            let result = sampler.should_sample(
                Some(parent),
                trace_id,
                candidate.name,
                candidate.kind,
                candidate.attributes,
                candidate.links,
            );
            (result.decision, result.attributes, result.trace_state)
        }
    };
    let (is_recording, flags) = match decision {
        SamplingDecision::RecordAndSample => (true, parent_flags.with_sampled(true)),
        SamplingDecision::RecordOnly => (true, parent_flags.with_sampled(false)),
        SamplingDecision::Drop => (false, TraceFlags::default()),
    };
    Decided {
        span_context: SpanContext::new(trace_id, span_id, flags, false, trace_state),
        is_recording,
        attributes,
    }
}

impl Tracer for FastTracer {
    type Span = FastSpan;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> FastSpan {
        let SpanBuilder {
            span_kind,
            name,
            start_time,
            attributes,
            events,
            links,
        } = builder;
        let kind = span_kind.unwrap_or(SpanKind::Internal);
        let attributes = attributes.unwrap_or_default();
        let decided = decide(&self.hub, parent, || Candidate {
            name: &name,
            kind: &kind,
            attributes: &attributes,
            links: links.as_deref().unwrap_or_default(),
        });
        let span_context = decided.span_context;
        if !decided.is_recording {
            return FastSpan::silent(span_context);
        }
        let (scope, whole) = match &self.scope {
            NumberedScope::Numbered(scope) => (*scope, None),
            NumberedScope::Whole(scope) => (Scope::NONE, Some(scope)),
        };
        let active = parent.span();
        let beginning = Beginning {
            hub: self.hub.id,
            span_context: &span_context,
            parent: Some(active.span_context()).filter(|active| active.is_valid()),
            name,
            kind,
            scope,
            limits: self.hub.limits,
            is_told: self.hub.tells_of(&span_context),
        };
        let mut record = desk::take(&self.hub, span_context.is_sampled());
        let now = clock().now();
        record.with(|contents| {
            contents.begin(beginning, now);
            if let Some(start) = start_time {
                contents.set_start(start);
            }
            if let Some(scope) = whole {
                contents.set_scope(InstrumentationScope::clone(scope));
            }
            for attribute in attributes {
                contents.set_attribute(attribute);
            }
            for attribute in decided.attributes {
                contents.set_attribute(attribute);
            }
            if let Some(events) = events {
                contents.set_events(events);
            }
            if let Some(links) = links {
                contents.set_links(links);
            }
        });
        FastSpan::recording(record.publish(), span_context)
    }
}
