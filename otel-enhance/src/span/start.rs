//! A span that has not started yet: what expansions fill in.

#![expect(
    unsafe_code,
    reason = "destructors of what few spans have are called where a span has it; the compiler's look at each field"
)]

use std::any::Any;
use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::mem::{self, ManuallyDrop};

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
    /// Has the first attributes.
    #[cfg(feature = "performance")]
    gathering: Gathering,
    #[cfg(feature = "performance")]
    early: Early,
    /// Whether any of the following was ever asked for: as a rule not, and then it need not be looked at.
    has_more: bool,
    sampled: bool,
    parent: ManuallyDrop<Parent>,
    /// What else there is: nothing as a rule where attributes are gathered in a record.
    span: ManuallyDrop<Option<SpanStart>>,
}

impl Start {
    #[inline(always)]
    pub(crate) fn new(callsite: &'static Callsite, attributes: usize) -> Self {
        #[cfg(feature = "performance")]
        {
            let early = performance::early();
            let gathering = if early == Early::Open && attributes > 0 {
                Gathering::begin()
            } else {
                Gathering::NONE
            };
            if gathering.is_some() || early != Early::Open {
                // What is put together in one place is not moved.
                return Self {
                    callsite,
                    gathering,
                    early,
                    has_more: false,
                    sampled: true,
                    parent: ManuallyDrop::new(Parent::Current),
                    span: ManuallyDrop::new(None),
                };
            }
        }
        Self::with_room(callsite, attributes)
    }

    /// The span takes so many attributes where no record does.
    #[cfg_attr(feature = "performance", inline(never))]
    #[cfg_attr(not(feature = "performance"), inline(always))]
    fn with_room(callsite: &'static Callsite, attributes: usize) -> Self {
        Self {
            callsite,
            #[cfg(feature = "performance")]
            gathering: Gathering::NONE,
            #[cfg(feature = "performance")]
            early: Early::Open,
            has_more: true,
            sampled: true,
            parent: ManuallyDrop::new(Parent::Current),
            span: ManuallyDrop::new(Some(callsite.span(attributes))),
        }
    }

    #[inline(always)]
    fn span(&mut self) -> &mut SpanStart {
        let callsite = self.callsite;
        self.has_more = true;
        self.span
            .get_or_insert_with(|| callsite.span_with_room(callsite.code_attributes()))
    }

    /// Adds a number that is none which an attribute can hold.
    #[cfg(feature = "performance")]
    #[cold]
    #[inline(never)]
    pub(super) fn push_decimal(&mut self, key: &'static str, number: &dyn Display) {
        self.push(key, number.to_string());
    }

    /// Adds an attribute where there is room for it.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(super) fn push(&mut self, key: &'static str, value: impl Into<Value>) {
        match self.gathering.push(key, value) {
            Ok(()) => {}
            Err(value) => self.push_to_span(key, value.into()),
        }
    }

    /// There is none in a record.
    #[cfg(feature = "performance")]
    #[inline(never)]
    fn push_to_span(&mut self, key: &'static str, value: Value) {
        push_to(&mut self.span().attributes, key, value);
    }

    /// The same with a copy of a text; says whether there was room in the record.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(super) fn push_text(&mut self, key: &'static str, text: &str) -> bool {
        self.gathering.push_text(key, text)
    }

    /// False if it is known that nobody will see the attributes, which then need not be evaluated.
    #[inline(always)]
    #[must_use]
    pub fn is_wanted(&self) -> bool {
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
        let parent = parent.into_parent();
        if !matches!(parent, Parent::Current) {
            self.has_more = true;
            *self.parent = parent;
        }
        self.know_nothing();
    }

    /// `root`
    pub fn root(&mut self) {
        self.parent(Parent::Root);
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
        self.has_more |= !self.sampled;
        self.sampled
    }

    /// A typed value.
    #[inline]
    pub fn set<V: AttributeValue>(&mut self, key: &'static str, value: V) {
        value.write_owned(&mut self.sink(key));
    }

    /// A string that lives for ever: not copied.
    #[inline]
    pub fn set_static(&mut self, key: &'static str, value: &'static str) {
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
        self.sink(key).owned_text(value.to_string());
    }

    /// `?value`
    pub fn set_debug(&mut self, key: &'static str, value: &dyn Debug) {
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
        #[cfg(feature = "performance")]
        if !self.has_more {
            let site = self.callsite.resolved();
            let gathering = Some(&mut self.gathering);
            let started =
                performance::start::<2, true, _>(site, gathering, None, SpanGuard::attach_started);
            if let Some(guard) = SpanGuard::of_started(started) {
                return guard;
            }
        }
        self.start_more_and_enter()
    }

    #[inline(never)]
    fn start_more_and_enter(&mut self) -> SpanGuard {
        if self.sampled && matches!(*self.parent, Parent::Current) {
            #[cfg(feature = "performance")]
            {
                let site = self.callsite.resolved();
                let (gathering, more) = (Some(&mut self.gathering), self.span.as_mut());
                let started = performance::start::<3, true, _>(
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
        if self.early == Early::Nowhere {
            return;
        }
        #[cfg(feature = "performance")]
        if self.sampled && matches!(*self.parent, Parent::Current) {
            let site = self.callsite.resolved();
            let (gathering, more) = (Some(&mut self.gathering), self.span.as_mut());
            let take = |context, handle| open.set(context, handle);
            match performance::start::<4, false, _>(site, gathering, more, take) {
                Started::Elsewhere => {}
                Started::Nowhere | Started::Here(()) => return,
            }
        }
        #[cfg(feature = "performance")]
        self.leave_fast_path();
        if self.sampled {
            self.span();
            if let Some(span) = &mut *self.span {
                start_in(span, &self.parent, open);
            }
        } else {
            open.start(|| (sample::unsampled(&self.parent), false));
        }
    }

    /// Drops what is left of it, as a rule nothing.
    #[cold]
    #[inline(never)]
    fn drop_more(&mut self) {
        // SAFETY: only the destructor calls this, once.
        unsafe {
            ManuallyDrop::drop(&mut self.parent);
            ManuallyDrop::drop(&mut self.span);
        }
    }

    #[inline(always)]
    fn start(&mut self, context: &mut Context) -> bool {
        if !self.sampled {
            *context = sample::unsampled(&self.parent);
            return true;
        }
        self.span();
        match &mut *self.span {
            Some(span) => start_under(span, &self.parent, context),
            None => false,
        }
    }
}

impl Drop for Start {
    /// What it began with has no destructors.
    #[inline(always)]
    fn drop(&mut self) {
        if self.has_more {
            self.drop_more();
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
