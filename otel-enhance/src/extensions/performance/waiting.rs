//! Records that wait for their export as they are: for exporters that want `SpanData`, which is made when
//! they get it. Made earlier, it would be moved from list to list, through caches that it has left.

use std::collections::VecDeque;
use std::sync::Arc;

use opentelemetry_sdk::trace::SpanData;

use super::contents;
use super::ended::{Ended, EndedSpans};
use super::engine::{Deliver, Engine};
use super::hub::Handling;
use super::weight::Weigh;
use crate::export::ErasedExporter;
use crate::fetch;

/// A span that has ended, of either sort.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// With a note of what it weighs.
    Record(Ended),
    /// One of the SDK's, from a tracer of the official provider.
    Official(Box<Weighed>),
}

/// With what it weighs.
#[derive(Debug)]
pub(crate) struct Weighed {
    weight: usize,
    span: SpanData,
}

// All of a record that the collector handles, four to a cache line.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Waiting>() == 16);

impl Weigh for Waiting {
    #[inline(always)]
    fn weight(&self) -> usize {
        match self {
            Self::Record(span) => span.weight().unwrap_or_default(),
            Self::Official(weighed) => weighed.weight,
        }
    }
}

/// So many spans before their turn the memory of a chunk is fetched.
const FAR_AHEAD: usize = 24;

/// An exporter that gets `SpanData`.
#[derive(Debug)]
pub(crate) struct RecordDelivery(pub(crate) ErasedExporter);

/// The engine whose queue holds records.
pub(crate) type RecordEngine = Engine<VecDeque<Waiting>, RecordDelivery>;

impl Deliver<VecDeque<Waiting>> for RecordDelivery {
    const HANDLING: Handling = Handling::PassesOn;
    type Load = Vec<SpanData>;

    fn accept_all(engine: &Arc<RecordEngine>, spans: &mut dyn Iterator<Item = Ended>) {
        let sampled = spans.filter_map(|mut span| {
            span.find_weight()?;
            engine.account.admit().then_some(Waiting::Record(span))
        });
        // All are looked at before the queue is locked.
        let mut waiting = Vec::with_capacity(sampled.size_hint().1.unwrap_or_default());
        waiting.extend(sampled);
        engine.push_all(waiting);
    }

    fn pass_on(engine: &Arc<RecordEngine>, spans: &mut EndedSpans<'_>) {
        let Some(weight) = spans.find_weights() else {
            return Self::accept_all(engine, spans);
        };
        let count = spans.len();
        let admitted = engine.account.admit_several(count as u64) as usize;
        if admitted == count {
            engine.push_group(spans.drain().map(Waiting::Record), weight);
        } else {
            engine.push_all(spans.by_ref().take(admitted).map(Waiting::Record));
            // What is not admitted is let go.
            spans.for_each(drop);
        }
    }

    fn load(&self, chunks: &mut [VecDeque<Waiting>], items: usize) -> Vec<SpanData> {
        let mut batch = Vec::with_capacity(items);
        for chunk in chunks {
            while let Some(waiting) = chunk.pop_front() {
                // Who filled the chunk had its memory last, and who found the span its record.
                if let Some(far) = chunk.get(FAR_AHEAD) {
                    fetch::to_write(far);
                }
                contents::fetch_ahead(|at, fetch| {
                    if let Some(Waiting::Record(ahead)) = chunk.get_mut(at) {
                        ahead.fetch_by(fetch);
                    }
                });
                match waiting {
                    Waiting::Record(span) => {
                        span.put_into(&mut batch, |span| self.0.prepare(span));
                    }
                    Waiting::Official(mut weighed) => {
                        self.0.prepare(&mut weighed.span);
                        batch.push(weighed.span);
                    }
                }
            }
        }
        batch
    }

    async fn deliver(&self, batch: Vec<SpanData>) {
        // The account and the log have what went wrong.
        let _ = self.0.export_prepared(batch).await;
    }

    fn accept(engine: &Arc<RecordEngine>, span: SpanData) {
        if span.span_context.is_sampled() && engine.account.admit() {
            let weight = span.weight();
            engine.push(Waiting::Official(Box::new(Weighed { weight, span })));
        }
    }

    fn exporter(&self) -> &ErasedExporter {
        &self.0
    }
}
