//! Figures on their way through the official processors: a span of the SDK takes them along as one attribute, which
//! becomes what it stands for where the span is exported.
#![expect(unsafe_code, reason = "attributes are written where they stay")]

use std::cell::RefCell;
use std::mem;
use std::time::Duration;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry::{Array, Key, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::figures::{Figures, OnCpu};
use super::rows::{Row, Rows};
use super::thread::{self, Found};
use super::{lists, names};

const KEY: &str = "otel_enhance.figures";

thread_local! {
    /// What the span took along that ended last, where several processors are to have it.
    static LAST: RefCell<Option<(TraceId, SpanId, KeyValue)>> = const { RefCell::new(None) };
}

/// Gives a span that has just ended on this thread what it did.
#[inline]
pub(crate) fn load(span: &mut SpanData) {
    if let Some(carried) = carried(span) {
        add(span, carried);
    }
}

/// The same where several processors ask for it, one after the other, each with a copy of the span: the thread tells it once.
pub(super) fn load_for_several(span: &mut SpanData) {
    let (trace_id, span_id) = (span.span_context.trace_id(), span.span_context.span_id());
    let known = LAST.try_with(|last| {
        let last = last.try_borrow().ok()?;
        let (_, _, carried) = last
            .as_ref()
            .filter(|last| (last.0, last.1) == (trace_id, span_id))?;
        Some(carried.clone())
    });
    let carried = known.ok().flatten().or_else(|| {
        let carried = carried(span)?;
        let _ = LAST.try_with(|last| {
            if let Ok(mut last) = last.try_borrow_mut() {
                *last = Some((trace_id, span_id, carried.clone()));
            }
        });
        Some(carried)
    });
    if let Some(carried) = carried {
        add(span, carried);
    }
}

#[inline(always)]
fn carried(span: &SpanData) -> Option<KeyValue> {
    let context = &span.span_context;
    if !context.is_sampled() {
        return None;
    }
    let (trace_id, span_id) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
    let mut figures = Figures::NONE;
    match thread::ended(&trace_id, span_id, None, &mut figures) {
        Found::Nothing => None,
        Found::OnCpu(all) => Some(match all.only_active() {
            Some(active) => time(active),
            None => fold(&all.figures()),
        }),
        Found::Figures => Some(fold(&figures)),
    }
}

#[inline(always)]
fn add(span: &mut SpanData, carried: KeyValue) {
    // No more than it takes, for the caller waits: who exports makes room for the rest.
    if span.attributes.capacity() == 0 {
        span.attributes = lists::take();
    } else {
        span.attributes.reserve_exact(1);
    }
    span.attributes.push(carried);
}

/// Of a span that was active once and alone, so many nanoseconds, on a CPU: most are as simple as that, and need no room
/// on the heap.
#[inline(always)]
fn time(active: u64) -> KeyValue {
    KeyValue::new(Key::from_static_str(KEY), Value::I64(active.cast_signed()))
}

/// All figures in one attribute.
fn fold(figures: &Figures) -> KeyValue {
    figures.only_active().map_or_else(
        || {
            let numbers = figures.to_numbers().to_vec();
            KeyValue::new(Key::from_static_str(KEY), Value::Array(Array::I64(numbers)))
        },
        time,
    )
}

/// Turns what a span carries into attributes.
pub(crate) fn unload(span: &mut SpanData) {
    names::note(span.span_context.span_id().to_bytes(), &span.name);
    let is_it = |attribute: &KeyValue| attribute.key.as_str() == KEY;
    let Some(at) = span.attributes.iter().rposition(is_it) else {
        return;
    };
    // As a rule the last.
    let carried = span.attributes.remove(at);
    let figures = match &carried.value {
        Value::I64(nanos) => {
            let nanos = nanos.cast_unsigned();
            Some(OnCpu::once(nanos, nanos).figures())
        }
        Value::Array(Array::I64(numbers)) => Figures::from_numbers(numbers),
        _ => None,
    };
    let Some(figures) = figures else {
        return;
    };
    if lists::is_one(&span.attributes) {
        lists::give(mem::take(&mut span.attributes));
    }
    // Only of one that was active several times is it asked.
    let duration = if figures.is_several() {
        let duration = span.end_time.duration_since(span.start_time);
        nanos(duration.unwrap_or_default())
    } else {
        0
    };
    push_all(&figures, duration, &mut span.attributes);
}

/// Adds every attribute.
#[inline(always)]
pub(crate) fn push_all(figures: &Figures, duration: u64, attributes: &mut Vec<KeyValue>) {
    attributes.reserve_exact(figures.attributes());
    figures.in_rows(duration, &mut Pushed(attributes));
}

/// Attributes to which more are added.
struct Pushed<'a>(&'a mut Vec<KeyValue>);

impl Rows for Pushed<'_> {
    /// Written where they stay, one store behind the other: there is room for all of them.
    #[inline(always)]
    fn row<const N: usize>(&mut self, row: &'static Row<N>, values: [i64; N]) {
        self.0.reserve(N);
        let Some(places) = self.0.spare_capacity_mut().first_chunk_mut::<N>() else {
            return debug_assert!(false, "there is room");
        };
        for (at, place) in places.iter_mut().enumerate() {
            place.write(KeyValue::new(
                Key::from_static_str(row.keys[at]),
                values[at],
            ));
        }
        let written = self.0.len() + N;
        // SAFETY: there is room for so many, which have been written.
        unsafe { self.0.set_len(written) };
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
