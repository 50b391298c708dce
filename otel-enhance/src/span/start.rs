//! A span that has not started yet: what expansions fill in.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::mem;

use opentelemetry::baggage::{BaggageExt as _, BaggageMetadata, KeyValueMetadata};
use opentelemetry::{Context, Key, StringValue};

use super::backend::SpanStart;
use super::callsite::Callsite;
use super::future::OpenSpan;
use super::guard::SpanGuard;
use super::parent::{IntoLink, IntoParent, Parent};
use super::registry;
use super::sample;
use super::value::{AttributeSink, AttributeValue};
#[cfg(feature = "performance")]
use crate::extensions::performance::{self, Early, Gathering, Started};

/// Parent, links and attributes of a span about to start.
#[derive(Debug)]
pub struct Start {
    span: SpanStart,
    parent: Parent,
    sampled: bool,
    #[cfg(feature = "performance")]
    early: Early,
    #[cfg(feature = "performance")]
    callsite: &'static Callsite,
    /// Has the first attributes.
    #[cfg(feature = "performance")]
    gathering: Gathering,
}

impl Start {
    #[inline(always)]
    pub(crate) fn new(callsite: &'static Callsite, attributes: usize) -> Self {
        #[cfg(feature = "performance")]
        {
            let early = performance::early();
            let gathering = if early == Early::Open && attributes > 0 {
                Gathering::new()
            } else {
                Gathering::NONE
            };
            let span = if gathering.is_some() || early != Early::Open {
                callsite.span_with_room(0)
            } else {
                callsite.span(attributes)
            };
            Self {
                span,
                parent: Parent::Current,
                sampled: true,
                early,
                callsite,
                gathering,
            }
        }
        #[cfg(not(feature = "performance"))]
        Self {
            span: callsite.span(attributes),
            parent: Parent::Current,
            sampled: true,
        }
    }

    /// False if it is known that nobody will see the attributes.
    #[inline(always)]
    fn is_wanted(&self) -> bool {
        #[cfg(feature = "performance")]
        let is_wanted = self.early == Early::Open;
        #[cfg(not(feature = "performance"))]
        let is_wanted = true;
        is_wanted
    }

    /// What was known of a child of the active span is not of another's.
    #[inline(always)]
    const fn know_nothing(&mut self) {
        #[cfg(feature = "performance")]
        {
            self.early = Early::Open;
        }
    }

    #[inline(always)]
    fn sink(&mut self, key: &'static str) -> AttributeSink<'_> {
        let attributes = &mut self.span.attributes;
        #[cfg(feature = "performance")]
        let sink = AttributeSink::gathering(key, attributes, &mut self.gathering);
        #[cfg(not(feature = "performance"))]
        let sink = AttributeSink::new(key, attributes);
        sink
    }

    /// The attributes go the way of the backend.
    #[cfg(feature = "performance")]
    #[cold]
    fn leave_fast_path(&mut self) {
        let more = mem::replace(&mut self.span.attributes, self.gathering.give_up());
        self.span.attributes.extend(more);
    }

    /// `parent = …`
    pub fn parent(&mut self, parent: impl IntoParent) {
        self.parent = parent.into_parent();
        self.know_nothing();
    }

    /// `root`
    pub fn root(&mut self) {
        self.parent = Parent::Root;
        self.know_nothing();
    }

    /// `links = …`
    pub fn links<I>(&mut self, links: I)
    where
        I: IntoIterator,
        I::Item: IntoLink,
    {
        let valid = links
            .into_iter()
            .map(IntoLink::into_link)
            .filter(|link| link.span_context.is_valid());
        self.span.links = valid.collect();
    }

    /// `sample = …`: false if this local root is not to be recorded.
    pub fn sample(&mut self, probability: f64) -> bool {
        self.sampled = sample::keeps(&self.parent, probability);
        self.sampled
    }

    /// A typed value.
    #[inline]
    pub fn set<V: AttributeValue>(&mut self, key: &'static str, value: V) {
        if !self.is_wanted() {
            return;
        }
        value.write_owned(&mut self.sink(key));
    }

    /// A string that lives for ever: not copied.
    #[inline]
    pub fn set_static(&mut self, key: &'static str, value: &'static str) {
        if !self.is_wanted() {
            return;
        }
        self.sink(key).value(value);
    }

    /// A value of a type that borrows nothing shorter than `'static`: a string that lives for ever
    /// is not copied, whether it stands alone, in an `Option` or in a `Cow`.
    pub fn set_const<V: AttributeValue + 'static>(&mut self, key: &'static str, value: &V) {
        let any: &dyn Any = value;
        let text = if let Some(text) = any.downcast_ref::<&'static str>() {
            Some(*text)
        } else if let Some(text) = any.downcast_ref::<Option<&'static str>>() {
            *text
        } else if let Some(Cow::Borrowed(text)) = any.downcast_ref::<Cow<'static, str>>() {
            Some(*text)
        } else {
            None
        };
        match text {
            Some(text) => self.set_static(key, text),
            None => self.set(key, value),
        }
    }

    /// `%value`
    pub fn set_display(&mut self, key: &'static str, value: &dyn Display) {
        if !self.is_wanted() {
            return;
        }
        self.sink(key).owned_text(value.to_string());
    }

    /// `?value`
    pub fn set_debug(&mut self, key: &'static str, value: &dyn Debug) {
        if !self.is_wanted() {
            return;
        }
        self.sink(key).owned_text(format!("{value:?}"));
    }

    /// Starts the span and makes it active until the guard is dropped. Not moved here, which would stall
    /// the processor right after it was written.
    #[inline(always)]
    pub fn enter(&mut self) -> SpanGuard {
        #[cfg(feature = "performance")]
        if self.early == Early::Nowhere {
            return SpanGuard::none();
        }
        self.start_and_enter()
    }

    #[inline(never)]
    fn start_and_enter(&mut self) -> SpanGuard {
        if self.sampled && matches!(self.parent, Parent::Current) {
            #[cfg(feature = "performance")]
            {
                let site = self.callsite.resolved();
                let (gathering, span) = (&mut self.gathering, &mut self.span);
                let started =
                    performance::start(site, gathering, Some(span), SpanGuard::attach_fast);
                if let Some(guard) = SpanGuard::of_started(started) {
                    return guard;
                }
                self.leave_fast_path();
            }
            let guard = enter_current(&mut self.span);
            return guard;
        }
        #[cfg(feature = "performance")]
        self.leave_fast_path();
        let mut context = Context::new();
        if self.start(&mut context) {
            SpanGuard::attach(context)
        } else {
            SpanGuard::none()
        }
    }

    /// Starts the span for a future.
    #[inline(never)]
    pub fn open(self) -> OpenSpan {
        let mut span = OpenSpan::none();
        self.open_in(&mut span);
        span
    }

    /// Starts the span of a future where that keeps it.
    #[inline(never)]
    pub fn open_in(mut self, open: &mut OpenSpan) {
        #[cfg(feature = "performance")]
        if self.sampled && matches!(self.parent, Parent::Current) {
            let site = self.callsite.resolved();
            let (gathering, span) = (&mut self.gathering, &mut self.span);
            let take = |context, handle| open.set(context, handle);
            match performance::start(site, gathering, Some(span), take) {
                Started::Elsewhere => {}
                Started::Nowhere | Started::Here(()) => return self.forget(),
            }
        }
        #[cfg(feature = "performance")]
        self.leave_fast_path();
        if self.sampled {
            start_in(&mut self.span, &self.parent, open);
        } else {
            open.start(|| (sample::unsampled(&self.parent), false));
        }
        self.forget();
    }

    /// Drops what is left of it, as a rule nothing.
    #[inline(always)]
    fn forget(self) {
        #[cfg(feature = "performance")]
        if self.gathering.is_some() {
            return;
        }
        // Of the parents, this one has no destructor.
        if self.span.is_taken() && matches!(self.parent, Parent::Current) {
            mem::forget(self);
        }
    }

    #[inline(always)]
    fn start(&mut self, context: &mut Context) -> bool {
        if !self.sampled {
            *context = sample::unsampled(&self.parent);
            return true;
        }
        start_under(&mut self.span, &self.parent, context)
    }
}

/// Starts the span of a future where that keeps it, if it is to have one.
#[inline(always)]
pub fn open_in(start: Option<Start>, open: &mut OpenSpan) {
    if let Some(start) = start {
        start.open_in(open);
    }
}

/// Starts a child of the active span and makes it active.
#[inline(always)]
pub(crate) fn enter_current(span: &mut SpanStart) -> SpanGuard {
    let mut guard = SpanGuard::none();
    registry::with_backend(|backend, installation| {
        span.set_installation(installation);
        guard = backend.enter(span);
    });
    guard
}

/// Starts the span of a future under `parent`, unless nothing is installed any more.
#[inline(always)]
pub(crate) fn start_in(span: &mut SpanStart, parent: &Parent, open: &mut OpenSpan) {
    if matches!(parent, Parent::Current) {
        registry::with_backend(|backend, installation| {
            span.set_installation(installation);
            backend.open(span, open);
        });
        return;
    }
    let mut context = Context::new();
    if start_under(span, parent, &mut context) {
        open.start(|| (context, span.is_recording));
        #[cfg(feature = "performance")]
        open.set_handle(span.handle);
    }
}

/// Starts a span under `parent`; false if nothing is installed any more.
///
/// The context is written over an empty one, not returned: an `Option<Context>` is moved byte by byte.
#[inline]
pub(crate) fn start_under(span: &mut SpanStart, parent: &Parent, context: &mut Context) -> bool {
    let started = registry::with_backend(|backend, _| {
        let new = match parent {
            Parent::Current => {
                Context::map_current(|current| backend.start(span, current, current))
            }
            Parent::Root => {
                Context::map_current(|current| backend.start(span, &orphan(current), current))
            }
            Parent::Context(parent) => backend.start(span, parent, parent),
        };
        // An empty context needs no destructor.
        mem::forget(mem::replace(context, new));
    });
    started.is_some()
}

/// A context without a span, but with the baggage of `current`, which samplers and processors read.
/// (A context whose span is invalid will not do: `Sampler::ParentBased` drops its children.)
fn orphan(current: &Context) -> Context {
    let context = Context::new();
    let context = if current.baggage().is_empty() {
        context
    } else {
        let entry = |(key, (value, metadata)): (&Key, &(StringValue, BaggageMetadata))| {
            KeyValueMetadata::new(key.clone(), value.clone(), metadata.clone())
        };
        context.with_baggage(current.baggage().iter().map(entry).collect::<Vec<_>>())
    };
    if current.is_telemetry_suppressed() {
        context.with_telemetry_suppressed()
    } else {
        context
    }
}
