//! From records to bytes: on the thread that collects them, while they are in its cache, so that a record
//! is free again soon, and what waits in the queue is as large as on the wire.

#[cfg(test)]
#[cfg(feature = "otlp-http")]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use opentelemetry::{Array, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::SpanData;

use super::contents::{Contents, Written};
use super::ended::Ended;
use super::engine::{Deliver, Engine};
use super::hub::Handling;
use super::written::{WrittenScope, WrittenSpan, WrittenSpans};
use crate::config::{self, SpanLimits};
use crate::encode::{SpanWriter, ValueRef};
use crate::export::ErasedExporter;
use crate::export::encoded::EncodedSink;
use crate::span::Scope;

/// An exporter that has one destination, which takes OTLP of our encoder.
#[derive(Debug)]
pub(crate) struct WrittenDelivery {
    exporter: ErasedExporter,
    limits: SpanLimits,
    /// Those that nobody writes with now.
    writers: Mutex<Vec<Writer>>,
}

/// The engine whose queue holds OTLP.
pub(crate) type WrittenEngine = Engine<WrittenSpans, WrittenDelivery>;

impl WrittenDelivery {
    /// `exporter` must have a sink that is [encoded](ErasedExporter::encoded).
    pub(crate) fn new(exporter: ErasedExporter, limits: SpanLimits) -> Self {
        debug_assert!(exporter.encoded().is_some(), "nobody could read requests");
        Self {
            exporter,
            limits,
            writers: Mutex::default(),
        }
    }

    /// Calls `write` with a writer that nobody else has.
    fn with_writer(&self, write: impl FnOnce(&mut Writer)) {
        let kept = || self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let at_rest = kept().pop();
        let new = || self.exporter.encoded().map(EncodedSink::writer);
        let Some(mut writer) = at_rest.or_else(|| new().map(Writer::new)) else {
            return;
        };
        write(&mut writer);
        writer.clear();
        kept().push(writer);
    }
}

impl Deliver<WrittenSpans> for WrittenDelivery {
    type Load = (Bytes, usize);
    const HANDLING: Handling = Handling::Writes;

    fn accept_all(engine: &Arc<WrittenEngine>, spans: &mut dyn Iterator<Item = Ended>) {
        engine.exporter.with_writer(|writer| {
            for span in spans {
                span.read(|contents| {
                    if contents.is_sampled() && engine.account.admit() {
                        writer.write(contents, &engine.exporter.limits);
                    }
                });
            }
            engine.push_all(writer.written());
        });
    }

    fn load(&self, chunks: &mut [WrittenSpans], items: usize) -> (Bytes, usize) {
        let request = self.exporter.encoded().map(|sink| {
            sink.request(|encoder| {
                for chunk in chunks {
                    chunk.each_run(|scope, spans| encoder.push_written(scope, spans));
                }
            })
        });
        (request.unwrap_or_default(), items)
    }

    async fn deliver(&self, (request, spans): (Bytes, usize)) {
        // The account and the log have what went wrong.
        let _ = self.exporter.export_request(request, spans as u64).await;
    }

    fn accept(engine: &Arc<WrittenEngine>, mut span: SpanData) {
        if !span.span_context.is_sampled() || !engine.account.admit() {
            return;
        }
        config::limits::apply(&engine.exporter.limits, &mut span);
        #[cfg(feature = "ebpf")]
        crate::extensions::ebpf::unload(&mut span);
        engine.exporter.with_writer(|writer| {
            writer.write_official(&span);
            engine.push_all(writer.written());
        });
    }

    fn exporter(&self) -> &ErasedExporter {
        &self.exporter
    }
}

/// Spans that have been written and go to the queue together.
struct Writer {
    spans: SpanWriter,
    /// Where each ends, and whose it is: a place in `scopes`.
    ends: Vec<(usize, usize)>,
    scopes: Vec<WrittenScope>,
    /// Of the scopes with a number, their places.
    numbered: Vec<(Scope, usize)>,
}

/// Scopes that a writer keeps from group to group.
const SCOPES: usize = 64;

impl Writer {
    fn new(spans: SpanWriter) -> Self {
        Self {
            spans,
            ends: Vec::new(),
            scopes: Vec::new(),
            numbered: Vec::new(),
        }
    }

    fn write(&mut self, contents: &mut Contents, limits: &SpanLimits) {
        let scope = match contents.scope() {
            Ok(number) => self.numbered(number),
            Err(own) => self.own(own),
        };
        #[cfg(feature = "ebpf")]
        contents.note_name();
        let view = contents.view(self.scopes[scope].official());
        let mut check = Check::new(limits);
        view.given_attributes(&mut |key, value| check.see(key, value));
        if check.right && view.beside().all(|list| Check::of(list, limits)) {
            self.spans.write(&view);
        } else {
            let mut span = contents.take(Written::looked_up);
            config::limits::apply(limits, &mut span);
            self.spans.write(&span);
        }
        self.ends.push((self.spans.written().len(), scope));
    }

    fn write_official(&mut self, span: &SpanData) {
        let scope = self.own(&span.instrumentation_scope);
        self.spans.write(span);
        self.ends.push((self.spans.written().len(), scope));
    }

    fn numbered(&mut self, number: Scope) -> usize {
        let known = self.numbered.iter().find(|(other, _)| *other == number);
        if let Some((_, at)) = known {
            return *at;
        }
        let at = self.scopes.len();
        self.scopes.push(match number.official() {
            Some(scope) => WrittenScope::Known(scope),
            None => WrittenScope::Own(Arc::default()),
        });
        self.numbered.push((number, at));
        at
    }

    fn own(&mut self, scope: &InstrumentationScope) -> usize {
        let same = |other: &WrittenScope| {
            let other = other.official();
            // Equal ones may have their attributes in another order, and be written otherwise.
            other == scope && other.attributes().eq(scope.attributes())
        };
        self.scopes.iter().position(same).unwrap_or_else(|| {
            self.scopes.push(WrittenScope::Own(Arc::new(scope.clone())));
            self.scopes.len() - 1
        })
    }

    /// The spans since the last [`clear`](Self::clear).
    fn written(&self) -> impl Iterator<Item = WrittenSpan<'_>> {
        let bytes = self.spans.written();
        let mut from = 0;
        self.ends.iter().map(move |&(end, scope)| {
            let bytes = &bytes[from..end];
            from = end;
            let scope = &self.scopes[scope];
            WrittenSpan { scope, bytes }
        })
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.ends.clear();
        if self.scopes.len() > SCOPES {
            self.scopes.clear();
            self.numbered.clear();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// So many keys are compared each with each.
const FEW: usize = 24;

/// Looks for what [`config::limits::apply`] might have to put right.
struct Check<'a> {
    longest: usize,
    keys: [&'a str; FEW],
    count: usize,
    /// There is nothing so far.
    right: bool,
}

impl<'a> Check<'a> {
    #[inline(always)]
    fn new(limits: &SpanLimits) -> Self {
        let longest = limits.attribute_value_length;
        Self {
            longest: longest.map_or(usize::MAX, |characters| characters as usize),
            keys: [""; FEW],
            count: 0,
            right: true,
        }
    }

    fn of(attributes: &'a [KeyValue], limits: &SpanLimits) -> bool {
        let mut check = Self::new(limits);
        for attribute in attributes {
            check.see(attribute.key.as_str(), ValueRef::from(&attribute.value));
        }
        check.right
    }

    #[inline(always)]
    fn see(&mut self, key: &'a str, value: ValueRef<'_>) {
        let Some((before, [slot, ..])) = self.keys.split_at_mut_checked(self.count) else {
            self.right = false;
            return;
        };
        *slot = key;
        self.count += 1;
        self.right &= !before.contains(&key) && self.is_short(value);
    }

    /// Texts of no more bytes have no more characters.
    #[inline(always)]
    fn is_short(&self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::String(text) => text.len() <= self.longest,
            ValueRef::Array(Array::String(texts)) => {
                texts.iter().all(|text| text.as_str().len() <= self.longest)
            }
            _ => true,
        }
    }
}
