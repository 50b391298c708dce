//! The span that goes into the official `Context`.

#![expect(
    unsafe_code,
    reason = "the ids of a span are lent for the time of one call, which the official trait cannot say"
)]

use std::borrow::Cow;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span, SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};

use super::clock::{clock, system_time};
use super::contents::Contents;
use super::desk;
use super::numbered::Number;
use super::record::{Handle, Place};
use crate::span::Written;

/// A span of the fast path: a handle to a record, and the ids.
#[derive(Debug)]
pub struct FastSpan {
    span: ContextSpan<Boxed>,
    span_context: SpanContext,
}

impl FastSpan {
    pub(super) const fn recording(handle: Handle<Contents>, span_context: SpanContext) -> Self {
        Self {
            span: ContextSpan::new(Boxed(Some(handle))),
            span_context,
        }
    }

    pub(super) const fn silent(span_context: SpanContext) -> Self {
        Self {
            span: ContextSpan::new(Boxed(None)),
            span_context,
        }
    }

    #[cfg(all(test, not(otel_enhance_loom)))]
    pub(super) fn handle(&self) -> Option<SpanHandle> {
        self.span.0.handle().map(SpanHandle)
    }
}

/// A span as it is in a context, which has its ids.
#[derive(Debug)]
pub(super) struct ContextSpan<H: Held>(H);

/// What a span in a context knows of itself.
pub(super) trait Held {
    /// Where it is; `None`: it does not record.
    fn handle(&self) -> Option<Handle<Contents>>;

    /// Its ids. A context asks for them once, when it gets the span, keeps a clone, and gives that to whoever asks it.
    fn ids(&self) -> &SpanContext;

    /// There is no context with the span any more.
    fn leave(&mut self) {}
}

/// A span that goes into a `Box`: two words are less to move and to allocate than ten.
#[derive(Debug)]
pub(super) struct Boxed(Option<Handle<Contents>>);

impl Held for Boxed {
    fn handle(&self) -> Option<Handle<Contents>> {
        self.0
    }

    fn ids(&self) -> &SpanContext {
        let ids = ON_ITS_WAY.get();
        // SAFETY: the pointer is null, or there is an `OnItsWay`, and the ids outlive that. What this returns is
        // borrowed from the span, which is moved into its box meanwhile, so that it cannot be borrowed any longer.
        unsafe { ids.as_ref() }.unwrap_or(&SpanContext::NONE)
    }
}

thread_local! {
    /// The ids of the span that is on its way into a context.
    static ON_ITS_WAY: Cell<*const SpanContext> = const { Cell::new(ptr::null()) };
}

/// The ids of a span are where the context that it goes into finds them.
struct OnItsWay<'a>(PhantomData<&'a SpanContext>);

impl<'a> OnItsWay<'a> {
    /// # Safety
    ///
    /// What this returns is dropped before `ids` is.
    unsafe fn with(ids: &'a SpanContext) -> Self {
        ON_ITS_WAY.set(ids);
        Self(PhantomData)
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        ON_ITS_WAY.set(ptr::null());
    }
}

/// The current context with a span that records.
#[inline(always)]
pub(super) fn current_with(
    handle: Handle<Contents>,
    ids: (TraceId, SpanId, TraceFlags),
) -> Context {
    // Written where it stays: what is moved just after it was written stalls the processor.
    let mut context = MaybeUninit::uninit();
    // In closures as small as these, which are called in place.
    match Number::take() {
        Some(mut number) => {
            number.stand_for(handle, ids);
            Context::map_current(|current| {
                number.put(current, &mut context);
            });
        }
        None => {
            context.write(current_with_boxed(handle, ids));
        }
    }
    // SAFETY: it was written above.
    unsafe { context.assume_init() }
}

#[cold]
#[inline(never)]
fn current_with_boxed(handle: Handle<Contents>, ids: (TraceId, SpanId, TraceFlags)) -> Context {
    Context::map_current(|current| put_boxed(current, handle, ids))
}

/// `base` with a span that records.
pub(super) fn put_plain(
    base: &Context,
    handle: Handle<Contents>,
    ids: (TraceId, SpanId, TraceFlags),
) -> Context {
    let Some(mut number) = Number::take() else {
        return put_boxed(base, handle, ids);
    };
    number.stand_for(handle, ids);
    let mut context = MaybeUninit::uninit();
    number.put(base, &mut context);
    // SAFETY: it was written just now.
    unsafe { context.assume_init() }
}

#[cold]
fn put_boxed(
    base: &Context,
    handle: Handle<Contents>,
    (trace_id, span_id, flags): (TraceId, SpanId, TraceFlags),
) -> Context {
    let ids = SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE);
    put(base, handle, &ids)
}

/// The same with whatever ids.
pub(super) fn put(base: &Context, handle: Handle<Contents>, ids: &SpanContext) -> Context {
    // SAFETY: it is dropped here.
    let _on_its_way = unsafe { OnItsWay::with(ids) };
    base.with_span(ContextSpan::new(Boxed(Some(handle))))
}

impl<H: Held> ContextSpan<H> {
    #[inline(always)]
    pub(super) const fn new(held: H) -> Self {
        Self(held)
    }
}

/// Calls `f` if the span has not ended.
fn write(handle: Option<Handle<Contents>>, f: impl FnOnce(&mut Contents)) {
    if let Some(mut locked) = handle.and_then(Handle::lock) {
        locked.with(f);
    }
}

/// The same for what is not kept of a span that the sampler has dropped.
fn write_kept(handle: Option<Handle<Contents>>, f: impl FnOnce(&mut Contents)) {
    write(handle, |contents| {
        if !contents.is_dropped() {
            f(contents);
        }
    });
}

/// How the seam ends a span of the fast path, and writes to it, without asking its context for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanHandle(pub(super) Handle<Contents>);

impl SpanHandle {
    #[inline(always)]
    pub(crate) fn end(self) {
        desk::end_now(self.0);
    }

    /// The handle in 12 bytes.
    #[inline(always)]
    pub(crate) const fn brief(self) -> (FastPlace, u32) {
        let (place, generation) = self.0.brief();
        (FastPlace(place), generation)
    }

    /// Calls `f` if the span has not ended.
    fn write(self, f: impl FnOnce(&mut Contents)) {
        if let Some(mut locked) = self.0.lock() {
            locked.with(f);
        }
    }
}

/// Where a span of the fast path is, or was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FastPlace(Place<Contents>);

impl FastPlace {
    /// The span's handle, unless the span has ended.
    #[inline(always)]
    pub(crate) fn handle(self, generation: u32) -> Option<SpanHandle> {
        self.0.handle(generation).map(SpanHandle)
    }
}

impl Written for SpanHandle {
    fn set_attribute(&self, attribute: KeyValue) {
        self.write(|contents| contents.set_attribute(attribute));
    }

    fn add_event(&self, name: &'static str, attributes: Vec<KeyValue>) {
        let now = system_time(clock().now().wall);
        self.write(|contents| contents.add_event(Cow::Borrowed(name), now, attributes));
    }

    fn set_status(&self, status: Status) {
        self.write(|contents| contents.set_status(status));
    }
}

// One function for all types of spans: what each of them has is a jump to it.

#[inline(never)]
fn add_event(
    handle: Option<Handle<Contents>>,
    name: Cow<'static, str>,
    time: SystemTime,
    attributes: Vec<KeyValue>,
) {
    write_kept(handle, |contents| {
        contents.add_event(name, time, attributes)
    });
}

#[inline(never)]
fn set_attribute(handle: Option<Handle<Contents>>, attribute: KeyValue) {
    write_kept(handle, |contents| contents.set_attribute(attribute));
}

#[inline(never)]
fn set_status(handle: Option<Handle<Contents>>, status: Status) {
    write(handle, |contents| contents.set_status(status));
}

#[inline(never)]
fn set_name(handle: Option<Handle<Contents>>, name: Cow<'static, str>) {
    write(handle, |contents| contents.set_name(name));
}

#[inline(never)]
fn add_link(handle: Option<Handle<Contents>>, to: SpanContext, attributes: Vec<KeyValue>) {
    write_kept(handle, |contents| contents.add_link(to, attributes));
}

#[inline(never)]
fn end(handle: Handle<Contents>) {
    desk::end_now(handle);
}

#[inline(never)]
fn end_at(handle: Option<Handle<Contents>>, time: SystemTime) {
    if let Some(handle) = handle
        && let Some(record) = handle.end(|contents| contents.end_at(time))
    {
        desk::deposit(record);
    }
}

impl<H: Held> Span for ContextSpan<H> {
    fn add_event<T>(&mut self, name: T, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        if self.is_recording() {
            let now = system_time(clock().now().wall);
            self.add_event_with_timestamp(name, now, attributes);
        }
    }

    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        add_event(self.0.handle(), name.into(), timestamp, attributes);
    }

    fn span_context(&self) -> &SpanContext {
        self.0.ids()
    }

    fn is_recording(&self) -> bool {
        self.0.handle().is_some_and(Handle::is_live)
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        set_attribute(self.0.handle(), attribute);
    }

    fn set_status(&mut self, status: Status) {
        set_status(self.0.handle(), status);
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        set_name(self.0.handle(), new_name.into());
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        add_link(self.0.handle(), span_context, attributes);
    }

    fn end(&mut self) {
        if let Some(handle) = self.0.handle() {
            end(handle);
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        end_at(self.0.handle(), timestamp);
    }
}

impl<H: Held> Drop for ContextSpan<H> {
    /// A span that is forgotten ends when nobody can reach it any more.
    #[inline]
    fn drop(&mut self) {
        if let Some(handle) = self.0.handle()
            && handle.is_live()
        {
            end(handle);
        }
        self.0.leave();
    }
}

impl Span for FastSpan {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        self.span
            .add_event_with_timestamp(name, timestamp, attributes);
    }

    fn add_event<T>(&mut self, name: T, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        self.span.add_event(name, attributes);
    }

    fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.span.set_attribute(attribute);
    }

    fn set_status(&mut self, status: Status) {
        self.span.set_status(status);
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        self.span.update_name(new_name);
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.span.add_link(span_context, attributes);
    }

    fn end(&mut self) {
        self.span.end();
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.span.end_with_timestamp(timestamp);
    }
}
