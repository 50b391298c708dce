//! The span that goes into the official `Context`.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanContext, Status};

use super::clock::{clock, system_time};
use super::contents::Contents;
use super::desk;
use super::record::{Handle, Place};
use crate::span::Written;

/// A span of the fast path: a handle to a record, and the ids.
#[derive(Debug)]
pub struct FastSpan {
    /// `None`: it does not record.
    handle: Option<Handle<Contents>>,
    span_context: SpanContext,
}

impl FastSpan {
    pub(super) const fn recording(handle: Handle<Contents>, span_context: SpanContext) -> Self {
        Self {
            handle: Some(handle),
            span_context,
        }
    }

    pub(super) const fn silent(span_context: SpanContext) -> Self {
        Self {
            handle: None,
            span_context,
        }
    }

    #[cfg(test)]
    pub(super) fn handle(&self) -> Option<SpanHandle> {
        self.handle.map(SpanHandle)
    }

    /// Calls `f` if the span has not ended.
    #[inline]
    fn write(&self, f: impl FnOnce(&mut Contents)) {
        if let Some(handle) = self.handle
            && let Some(mut locked) = handle.lock()
        {
            locked.with(f);
        }
    }

    /// The same for what is not kept of a span that the sampler has dropped.
    #[inline]
    fn write_kept(&self, f: impl FnOnce(&mut Contents)) {
        self.write(|contents| {
            if !contents.is_dropped() {
                f(contents);
            }
        });
    }
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

impl Span for FastSpan {
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
        let name = name.into();
        self.write_kept(|contents| contents.add_event(name, timestamp, attributes));
    }

    fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    fn is_recording(&self) -> bool {
        self.handle.is_some_and(Handle::is_live)
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.write_kept(|contents| contents.set_attribute(attribute));
    }

    fn set_status(&mut self, status: Status) {
        self.write(|contents| contents.set_status(status));
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        let name = new_name.into();
        self.write(|contents| contents.set_name(name));
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.write_kept(|contents| contents.add_link(span_context, attributes));
    }

    fn end(&mut self) {
        if let Some(handle) = self.handle {
            desk::end_now(handle);
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(handle) = self.handle
            && let Some(record) = handle.end(|contents| contents.end_at(timestamp))
        {
            desk::deposit(record);
        }
    }
}

impl Drop for FastSpan {
    /// A span that is forgotten ends when nobody can reach it any more.
    #[inline]
    fn drop(&mut self) {
        if let Some(handle) = self.handle
            && handle.is_live()
        {
            desk::end_now(handle);
        }
    }
}
