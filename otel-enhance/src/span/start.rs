//! A span that has not started yet: what expansions fill in.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::mem;

#[cfg(feature = "performance")]
use opentelemetry::Value;
use opentelemetry::baggage::{BaggageExt as _, BaggageMetadata, KeyValueMetadata};
use opentelemetry::{Context, Key, StringValue};

use super::backend::SpanStart;
use super::callsite::Callsite;
use super::future::OpenSpan;
use super::guard::SpanGuard;
use super::parent::{IntoLink, IntoParent, Parent};
use super::registry;
use super::sample;
#[cfg(feature = "performance")]
use super::value::push_to;
use super::value::{AttributeSink, AttributeValue};
#[cfg(feature = "performance")]
use crate::extensions::performance::{self, Early, Gathering, Started};

/// Parent, links and attributes of a span about to start.
#[derive(Debug)]
pub struct Start {
    callsite: &'static Callsite,
    parent: Parent,
    sampled: bool,
    #[cfg(feature = "performance")]
    early: Early,
    /// Has the first attributes.
    #[cfg(feature = "performance")]
    gathering: Gathering,
    /// What else there is: nothing as a rule where attributes are gathered in a record.
    span: Option<SpanStart>,
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
                None
            } else {
                Some(callsite.span(attributes))
            };
            Self {
                callsite,
                parent: Parent::Current,
                sampled: true,
                early,
                gathering,
                span,
            }
        }
        #[cfg(not(feature = "performance"))]
        Self {
            callsite,
            parent: Parent::Current,
            sampled: true,
            span: Some(callsite.span(attributes)),
        }
    }

    #[inline(always)]
    fn span(&mut self) -> &mut SpanStart {
        let callsite = self.callsite;
        self.span
            .get_or_insert_with(|| callsite.span_with_room(callsite.code_attributes()))
    }

    /// Adds an attribute where there is room for it.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(super) fn push(&mut self, key: &'static str, value: impl Into<Value>) {
        match self.gathering.push(key, value) {
            Ok(()) => {}
            Err(value) => push_to(&mut self.span().attributes, key, value),
        }
    }

    /// The same with a copy of a text; says whether there was room in the record.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(super) fn push_text(&mut self, key: &'static str, text: &str) -> bool {
        self.gathering.push_text(key, text)
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
        #[cfg(feature = "performance")]
        let sink = AttributeSink::gathering(key, self);
        #[cfg(not(feature = "performance"))]
        let sink = AttributeSink::new(key, &mut self.span().attributes);
        sink
    }

    /// The attributes go the way of the backend.
    #[cfg(feature = "performance")]
    #[cold]
    fn leave_fast_path(&mut self) {
        let gathered = self.gathering.give_up();
        let attributes = &mut self.span().attributes;
        let more = mem::replace(attributes, gathered);
        attributes.extend(more);
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
        self.span().links = valid.collect();
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
                let (gathering, more) = (Some(&mut self.gathering), self.span.as_mut());
                let started = performance::start::<2, true, _>(
                    site,
                    gathering,
                    more,
                    SpanGuard::attach_started,
                );
                if let Some(guard) = SpanGuard::of_started(started) {
                    return guard;
                }
                self.leave_fast_path();
            }
            let guard = enter_current(self.span());
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
            let (gathering, more) = (Some(&mut self.gathering), self.span.as_mut());
            let take = |context, handle| open.set(context, handle);
            match performance::start::<3, false, _>(site, gathering, more, take) {
                Started::Elsewhere => {}
                Started::Nowhere | Started::Here(()) => return self.forget(),
            }
        }
        #[cfg(feature = "performance")]
        self.leave_fast_path();
        if self.sampled {
            self.span();
            if let Some(span) = &mut self.span {
                start_in(span, &self.parent, open);
            }
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
        let is_taken = self.span.as_ref().is_none_or(SpanStart::is_taken);
        if is_taken && matches!(self.parent, Parent::Current) {
            mem::forget(self);
        }
    }

    #[inline(always)]
    fn start(&mut self, context: &mut Context) -> bool {
        if !self.sampled {
            *context = sample::unsampled(&self.parent);
            return true;
        }
        self.span();
        match &mut self.span {
            Some(span) => start_under(span, &self.parent, context),
            None => false,
        }
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
