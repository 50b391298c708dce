//! The seam's side of the fast path: spans of annotated functions.

use std::borrow::Cow;
use std::sync::Arc;
use std::{fmt, mem};

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};

use super::clock::clock;
use super::contents::{Beginning, Contents};
use super::desk;
use super::hub::{Hub, Sampling};
use super::provider::FastProvider;
use super::span::{SpanHandle, put, put_plain};
use super::tracer::{Candidate, decide, parent_of};
use crate::span::private::{OpenSpan, SpanGuard};
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
    fn start(&self, span: &mut SpanStart, parent: &Context, base: &Context) -> Context {
        start(&self.provider.hub, span, parent, base)
    }

    fn enter(&self, span: &mut SpanStart) -> SpanGuard {
        let hub = &self.provider.hub;
        desk::prefer(hub, span.installation);
        // Written over an empty one, which needs no destructor, instead of returned: a `Context` that
        // comes back in a `Result` is moved in pieces, which stalls the processor.
        let mut context = Context::new();
        Context::map_current(|current| {
            mem::forget(mem::replace(
                &mut context,
                start(hub, span, current, current),
            ));
        });
        SpanGuard::attach_fast(context, span.handle)
    }

    fn open(&self, span: &mut SpanStart, open: &mut OpenSpan) {
        let hub = &self.provider.hub;
        desk::prefer(hub, span.installation);
        Context::map_current(|current| {
            open.start(|| {
                let context = start(hub, span, current, current);
                (context, span.is_recording)
            });
        });
        open.set_handle(span.handle);
    }
}

#[inline(always)]
fn start(hub: &Arc<Hub>, span: &mut SpanStart, parent: &Context, base: &Context) -> Context {
    #[cfg(feature = "ebpf")]
    if span.is_profiled {
        let context = start_plainly(hub, span, parent, base);
        crate::extensions::ebpf::mark(context.span().span_context());
        return context;
    }
    start_plainly(hub, span, parent, base)
}

#[inline(always)]
fn start_plainly(
    hub: &Arc<Hub>,
    span: &mut SpanStart,
    parent: &Context,
    base: &Context,
) -> Context {
    let active = parent.span();
    let active = active.span_context();
    // What is decided without asking anybody is decided in registers: ids that are gathered in a struct
    // are moved with it, in other pieces than they were written in, which stalls the processor.
    let known = hub.decides_alone(parent) && *active.trace_state() == TraceState::NONE;
    let Some(sampled) = hub.config.sampling.known(parent).filter(|_| known) else {
        return start_asked(hub, span, parent, base);
    };
    let (trace_id, span_id, parent_span_id, parent_is_remote, parent_flags) = if active.is_valid() {
        (
            active.trace_id(),
            hub.span_id(),
            active.span_id(),
            active.is_remote(),
            active.trace_flags(),
        )
    } else {
        (
            hub.trace_id(),
            hub.span_id(),
            SpanId::INVALID,
            false,
            TraceFlags::NOT_SAMPLED,
        )
    };
    if !sampled && hub.config.counts_dropped {
        let parent = (parent_span_id, parent_is_remote);
        return start_counted(hub, span, base, (trace_id, span_id), parent);
    }
    if !sampled {
        let span_id = if hub.inherits() && active.is_valid() {
            parent_span_id
        } else {
            span_id
        };
        // The context needs its ids and flags only, and no span on the heap.
        return base.with_remote_span_context(SpanContext::new(
            trace_id,
            span_id,
            TraceFlags::NOT_SAMPLED,
            false,
            TraceState::NONE,
        ));
    }
    let flags = parent_flags.with_sampled(true);
    let mut record = desk::take(hub, true);
    let handle = record.handle();
    // Before the record is filled, so that what is read of the context next was written a while ago.
    let context = put_plain(base, handle, (trace_id, span_id, flags));
    let beginning = Beginning {
        hub: hub.id,
        trace_id,
        span_id,
        flags,
        parent_span_id,
        parent_is_remote,
        name: mem::replace(&mut span.name, Cow::Borrowed("")),
        kind: span.kind.clone(),
        scope: span.scope,
        rules: hub.rules,
        is_dropped: false,
    };
    let now = clock().now();
    #[cfg(feature = "ebpf")]
    crate::extensions::ebpf::started(span_id.to_bytes(), now.monotonic);
    record.with(|contents| {
        contents.begin(beginning, now);
        fill(contents, span);
    });
    record.publish();
    span.is_recording = true;
    span.handle = Some(SpanHandle(handle));
    context
}

/// A span that is not sampled, for RED metrics: of it nothing is kept but what counts.
#[inline(never)]
fn start_counted(
    hub: &Arc<Hub>,
    span: &mut SpanStart,
    base: &Context,
    (trace_id, span_id): (TraceId, SpanId),
    (parent_span_id, parent_is_remote): (SpanId, bool),
) -> Context {
    let beginning = Beginning {
        hub: hub.id,
        trace_id,
        span_id,
        flags: TraceFlags::NOT_SAMPLED,
        parent_span_id,
        parent_is_remote,
        name: mem::replace(&mut span.name, Cow::Borrowed("")),
        kind: span.kind.clone(),
        scope: span.scope,
        rules: hub.rules,
        is_dropped: true,
    };
    let mut record = desk::take(hub, false);
    let now = clock().now();
    record.with(|contents| contents.begin(beginning, now));
    let handle = record.publish();
    if span.attributes.capacity() > 0 {
        spare::give(mem::take(&mut span.attributes));
    }
    span.is_recording = true;
    span.handle = Some(SpanHandle(handle));
    let flags = TraceFlags::NOT_SAMPLED;
    let ids = SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE);
    put(base, handle, &ids)
}

/// The same where a sampler or an id generator is asked, or there is a trace state.
#[inline(never)]
fn start_asked(hub: &Arc<Hub>, span: &mut SpanStart, parent: &Context, base: &Context) -> Context {
    if let Sampling::Asked(_) = hub.config.sampling {
        // It sees all attributes.
        span.push_code();
    }
    let mut decided = decide(hub, parent, || Candidate {
        name: &span.name,
        kind: &span.kind,
        attributes: &span.attributes,
        links: &span.links,
    });
    if !decided.is_recording {
        return base.with_remote_span_context(decided.into_span_context());
    }
    let mut record = desk::take(hub, decided.flags.is_sampled());
    let (parent_span_id, parent_is_remote) = parent_of(parent);
    let beginning = Beginning {
        hub: hub.number_for(decided.flags),
        trace_id: decided.trace_id,
        span_id: decided.span_id,
        flags: decided.flags,
        parent_span_id,
        parent_is_remote,
        name: mem::replace(&mut span.name, Cow::Borrowed("")),
        kind: span.kind.clone(),
        scope: span.scope,
        rules: hub.rules,
        is_dropped: decided.is_dropped,
    };
    let now = clock().now();
    record.with(|contents| {
        contents.begin(beginning, now);
        if decided.is_dropped {
            return;
        }
        if decided.trace_state != TraceState::NONE {
            contents.set_trace_state(decided.trace_state.clone());
        }
        fill(contents, span);
        for attribute in mem::take(&mut decided.attributes) {
            contents.set_attribute(attribute);
        }
    });
    let handle = record.publish();
    span.is_recording = true;
    span.handle = Some(SpanHandle(handle));
    put(base, handle, &decided.into_span_context())
}

/// Moves what the callsite has gathered into the record.
#[inline(always)]
fn fill(contents: &mut Contents, span: &mut SpanStart) {
    fill_more(contents, span);
    if let Some(code) = span.code {
        contents.set_code(code);
    }
}

/// The same without what is known of its function.
#[inline(always)]
pub(super) fn fill_more(contents: &mut Contents, span: &mut SpanStart) {
    if span.attributes.capacity() > 0 {
        contents.set_attributes(&mut span.attributes);
        spare::give(mem::take(&mut span.attributes));
    }
    if !span.links.is_empty() {
        contents.set_links(mem::take(&mut span.links));
    }
}

impl fmt::Debug for FastBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastBackend")
            .field("provider", &self.provider)
            .finish()
    }
}
