//! How a span starts.

use std::sync::Arc;
use std::{fmt, mem};

use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample};

use super::clock::clock;
use super::contents::Beginning;
use super::desk;
use super::hub::{Hub, Sampling};
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
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) flags: TraceFlags,
    pub(super) trace_state: TraceState,
    pub(super) is_recording: bool,
    /// The sampler has dropped it; where it is recorded all the same, that is to count it.
    pub(super) is_dropped: bool,
    /// What the sampler adds.
    pub(super) attributes: Vec<KeyValue>,
}

impl Decided {
    const NOTHING: Self = Self {
        trace_id: TraceId::INVALID,
        span_id: SpanId::INVALID,
        flags: TraceFlags::NOT_SAMPLED,
        trace_state: TraceState::NONE,
        is_recording: false,
        is_dropped: true,
        attributes: Vec::new(),
    };

    #[inline(always)]
    pub(super) fn into_span_context(self) -> SpanContext {
        SpanContext::new(
            self.trace_id,
            self.span_id,
            self.flags,
            false,
            self.trace_state,
        )
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
        return Decided::NOTHING;
    }
    let config = &hub.config;
    let span_id = match &config.ids {
        None => hub.span_id(),
        Some(generator) => generator.new_span_id(),
    };
    let active = parent.span();
    let active = active.span_context();
    let (trace_id, parent_flags) = if active.is_valid() {
        (active.trace_id(), active.trace_flags())
    } else {
        let trace_id = match &config.ids {
            None => hub.trace_id(),
            Some(generator) => generator.new_trace_id(),
        };
        (trace_id, TraceFlags::default())
    };
    let mut decided = Decided {
        trace_id,
        span_id,
        ..Decided::NOTHING
    };
    match (config.sampling.known(parent), &config.sampling) {
        (Some(sampled), _) => {
            decided.is_dropped = !sampled;
            decided.is_recording = sampled || config.counts_dropped;
            if sampled {
                decided.flags = parent_flags.with_sampled(true);
            }
            if *active.trace_state() != TraceState::NONE {
                decided.trace_state = active.trace_state().clone();
            }
        }
        (None, Sampling::Asked(sampler)) => {
            ask(&**sampler, &mut decided, parent, parent_flags, candidate());
            decided.is_recording |= config.counts_dropped;
        }
        (None, _) => {}
    }
    if !decided.is_recording && hub.inherits() && active.is_valid() {
        decided.span_id = active.span_id();
    }
    decided
}

#[inline(never)]
fn ask(
    sampler: &dyn ShouldSample,
    decided: &mut Decided,
    parent: &Context,
    parent_flags: TraceFlags,
    candidate: Candidate<'_>,
) {
    let result = sampler.should_sample(
        Some(parent),
        decided.trace_id,
        candidate.name,
        candidate.kind,
        candidate.attributes,
        candidate.links,
    );
    (decided.is_dropped, decided.flags) = match result.decision {
        SamplingDecision::RecordAndSample => (false, parent_flags.with_sampled(true)),
        SamplingDecision::RecordOnly => (false, parent_flags.with_sampled(false)),
        SamplingDecision::Drop => (true, TraceFlags::default()),
    };
    decided.is_recording = !decided.is_dropped;
    decided.attributes = result.attributes;
    decided.trace_state = result.trace_state;
}

/// The valid span of a context: its id, and whether it is another process's.
#[inline(always)]
pub(super) fn parent_of(parent: &Context) -> (SpanId, bool) {
    let active = parent.span();
    let active = active.span_context();
    if active.is_valid() {
        (active.span_id(), active.is_remote())
    } else {
        (SpanId::INVALID, false)
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
        let mut decided = decide(&self.hub, parent, || Candidate {
            name: &name,
            kind: &kind,
            attributes: &attributes,
            links: links.as_deref().unwrap_or_default(),
        });
        if !decided.is_recording {
            return FastSpan::silent(decided.into_span_context());
        }
        let (scope, whole) = match &self.scope {
            NumberedScope::Numbered(scope) => (*scope, None),
            NumberedScope::Whole(scope) => (Scope::NONE, Some(scope)),
        };
        let (parent_span_id, parent_is_remote) = parent_of(parent);
        let beginning = Beginning {
            hub: self.hub.number_for(decided.flags),
            trace_id: decided.trace_id,
            span_id: decided.span_id,
            flags: decided.flags,
            parent_span_id,
            parent_is_remote,
            name,
            kind,
            scope,
            rules: self.hub.rules,
            is_dropped: decided.is_dropped,
        };
        let mut record = desk::take(&self.hub, decided.flags.is_sampled());
        let now = clock().now();
        record.with(|contents| {
            contents.begin(beginning, now);
            if let Some(start) = start_time {
                contents.set_start(start);
            }
            if decided.is_dropped {
                return;
            }
            if decided.trace_state != TraceState::NONE {
                contents.set_trace_state(decided.trace_state.clone());
            }
            if let Some(scope) = whole {
                contents.set_scope(InstrumentationScope::clone(scope));
            }
            for attribute in attributes {
                contents.set_attribute(attribute);
            }
            for attribute in mem::take(&mut decided.attributes) {
                contents.set_attribute(attribute);
            }
            if let Some(events) = events {
                contents.set_events(events);
            }
            if let Some(links) = links {
                contents.set_links(links);
            }
        });
        FastSpan::recording(record.publish(), decided.into_span_context())
    }
}
