//! A batch: spans come one after the other, in any order of their scopes, and leave as one request.
//!
//! Spans are written where they arrive. A batch of one scope, the usual one, is then complete but for
//! what stands before it, for which room was left; any other is put together from its runs, in the order
//! in which the scopes came first, as the official transform does.

use std::sync::Arc;

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;

use super::buffer::Buffer;
use super::cursor::Cursor;
use super::pool::Pool;
use super::scopes::Scopes;
use super::span::EncodeSpan;

/// What stands around the parts of a message that is written piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(super) head: Box<[u8]>,
    pub(super) tail: Box<[u8]>,
}

impl Frame {
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

/// How one of OTLP's encodings writes the parts of a request.
pub(crate) trait Format: Default {
    /// What follows each span and must not follow the last one of a scope.
    const SEPARATOR: usize;

    fn resource(resource: &Resource) -> Frame;
    fn scope(scope: &InstrumentationScope) -> Frame;
    /// The bytes of a scope with so many bytes of spans.
    fn scope_len(scope: &Frame, spans: usize) -> usize;
    /// Begins a request; `scopes` are the bytes of all that is in it.
    fn open_request(out: &mut Cursor<'_>, resource: &Frame, scopes: usize);
    fn close_request(out: &mut Cursor<'_>, resource: &Frame);
    fn open_scope(out: &mut Cursor<'_>, scope: &Frame, spans: usize, first: bool);
    fn close_scope(out: &mut Cursor<'_>, scope: &Frame);
    fn span<S: EncodeSpan>(&mut self, out: &mut Buffer, span: &S);
}

/// The most that tags, lengths and punctuation before the first span can take, frames left out.
const AROUND: usize = 64;

/// Turns batches of spans into requests. Buffers and what was written of resource and scopes are kept
/// from batch to batch, so that a span costs no allocation.
#[derive(Debug)]
pub(crate) struct BatchEncoder<F> {
    format: F,
    resource: Frame,
    scopes: Scopes,
    /// The spans of the batch that is being made, behind room for what stands before them.
    arena: Buffer,
    start: usize,
    runs: Vec<Run>,
    heading: Buffer,
    pool: Arc<Pool>,
}

/// Spans of one scope next to each other; it begins where the one before ends.
#[derive(Clone, Copy, Debug)]
struct Run {
    scope: u32,
    end: usize,
}

impl<F: Format> BatchEncoder<F> {
    pub(crate) fn new(resource: &Resource) -> Self {
        Self {
            format: F::default(),
            resource: F::resource(resource),
            scopes: Scopes::default(),
            arena: Buffer::default(),
            start: 0,
            runs: Vec::new(),
            heading: Buffer::default(),
            pool: Arc::default(),
        }
    }

    /// Adds a span to the batch.
    #[inline]
    pub(crate) fn push<S: EncodeSpan>(&mut self, span: &S) {
        let scope = self.begin_run(span.scope());
        self.format.span(&mut self.arena, span);
        self.end_run(scope);
    }

    /// Adds spans of one scope that this format has written elsewhere.
    #[cfg(feature = "performance")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(crate) fn push_written(&mut self, scope: &InstrumentationScope, spans: &[u8]) {
        let scope = self.begin_run(scope);
        let mut out = Cursor::new(&mut self.arena);
        out.put_slice(spans);
        out.finish();
        self.end_run(scope);
    }

    #[inline(always)]
    fn begin_run(&mut self, scope: &InstrumentationScope) -> u32 {
        let scope = self.scopes.find(scope, F::scope);
        if self.runs.is_empty() {
            self.start = AROUND + self.resource.len() + self.scopes.frame(scope).len();
            self.arena.set_position(self.start);
        }
        scope
    }

    #[inline(always)]
    fn end_run(&mut self, scope: u32) {
        let end = self.arena.position();
        match self.runs.last_mut() {
            Some(run) if run.scope == scope => run.end = end,
            _ => self.runs.push(Run { scope, end }),
        }
    }

    /// Ends the batch. The request's buffer comes back to this encoder when the last clone is dropped.
    pub(crate) fn finish(&mut self) -> Bytes {
        let made = match self.runs[..] {
            [Run { scope, end }] => self.finish_in_place(scope, end),
            _ => self.put_together(),
        };
        self.runs.clear();
        self.scopes.end_batch();
        made
    }

    fn finish_in_place(&mut self, scope: u32, end: usize) -> Bytes {
        let frame = self.scopes.frame(scope);
        let end = end - F::SEPARATOR;
        let spans = end - self.start;
        self.heading.set_position(0);
        let mut out = Cursor::new(&mut self.heading);
        F::open_request(&mut out, &self.resource, F::scope_len(frame, spans));
        F::open_scope(&mut out, frame, spans, true);
        out.finish();
        let heading = self.heading.written();
        let start = self.start - heading.len();
        self.arena.overwrite(start, heading);
        self.arena.set_position(end);
        let mut out = Cursor::new(&mut self.arena);
        F::close_scope(&mut out, frame);
        F::close_request(&mut out, &self.resource);
        out.finish();
        let end = self.arena.position();
        let next = Buffer::over(self.pool.take());
        let filled = std::mem::replace(&mut self.arena, next);
        self.pool.lend(filled.into_bytes(), start..end)
    }

    fn put_together(&mut self) -> Bytes {
        let mut from = self.start;
        for run in &self.runs {
            self.scopes.add_len(run.scope, run.end - from);
            from = run.end;
        }
        let total = self
            .scopes
            .in_order()
            .map(|scope| F::scope_len(scope.frame, scope.len - F::SEPARATOR))
            .sum();
        let mut buffer = Buffer::over(self.pool.take());
        let mut out = Cursor::new(&mut buffer);
        F::open_request(&mut out, &self.resource, total);
        for (index, scope) in self.scopes.in_order().enumerate() {
            let spans = scope.len - F::SEPARATOR;
            F::open_scope(&mut out, scope.frame, spans, index == 0);
            let first = out.position();
            let mut from = self.start;
            for run in &self.runs {
                if run.scope == scope.id {
                    out.put_slice(&self.arena.written()[from..run.end]);
                }
                from = run.end;
            }
            out.go_back_to(first + spans);
            F::close_scope(&mut out, scope.frame);
        }
        F::close_request(&mut out, &self.resource);
        out.finish();
        let end = buffer.position();
        if self.arena.is_huge() {
            self.arena = Buffer::default();
        }
        self.pool.lend(buffer.into_bytes(), 0..end)
    }
}
