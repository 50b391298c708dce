//! Records that wait for their export as they are: for exporters that want `SpanData`, which is made when
//! they get it. Made earlier, it would be moved from list to list, through caches that it has left.

use std::collections::VecDeque;
use std::sync::Arc;

use opentelemetry_sdk::trace::SpanData;

use super::contents;
use super::ended::Ended;
use super::engine::{Deliver, Engine};
use super::weight::Weigh;
use crate::export::ErasedExporter;

/// A span that has ended, of either sort.
#[derive(Debug)]
pub(crate) struct Waiting {
    weight: usize,
    span: Sort,
}

#[derive(Debug)]
enum Sort {
    Record(Ended),
    /// One of the SDK's, from a tracer of the official provider.
    Official(Box<SpanData>),
}

impl Weigh for Waiting {
    fn weight(&self) -> usize {
        self.weight
    }
}

/// An exporter that gets `SpanData`.
#[derive(Debug)]
pub(crate) struct RecordDelivery(pub(crate) ErasedExporter);

/// The engine whose queue holds records.
pub(crate) type RecordEngine = Engine<VecDeque<Waiting>, RecordDelivery>;

impl Deliver<VecDeque<Waiting>> for RecordDelivery {
    type Load = Vec<SpanData>;

    fn accept_all(engine: &Arc<RecordEngine>, spans: &mut dyn Iterator<Item = Ended>) {
        let sampled = spans.filter_map(|mut span| {
            let (is_sampled, weight) = span.look(|span| (span.is_sampled(), span.weight()))?;
            let span = Sort::Record(span);
            (is_sampled && engine.account.admit()).then_some(Waiting { weight, span })
        });
        // All are looked at before the queue is locked.
        let mut waiting = Vec::with_capacity(sampled.size_hint().1.unwrap_or_default());
        waiting.extend(sampled);
        engine.push_all(waiting);
    }

    fn load(&self, chunks: &mut [VecDeque<Waiting>], items: usize) -> Vec<SpanData> {
        let mut batch = Vec::with_capacity(items);
        for chunk in chunks {
            while let Some(waiting) = chunk.pop_front() {
                contents::fetch_ahead(|at, fetch| {
                    if let Some(Sort::Record(ahead)) = chunk.get_mut(at).map(|one| &mut one.span) {
                        ahead.fetch_by(fetch);
                    }
                });
                match waiting.span {
                    Sort::Record(span) => span.put_into(&mut batch, |span| self.0.prepare(span)),
                    Sort::Official(mut span) => {
                        self.0.prepare(&mut span);
                        batch.push(*span);
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
            engine.push(Waiting {
                weight: span.weight(),
                span: Sort::Official(Box::new(span)),
            });
        }
    }

    fn exporter(&self) -> &ErasedExporter {
        &self.0
    }
}
