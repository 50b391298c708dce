//! `sample = …`: local roots thinned out before the sampler sees them.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};

use super::parent::Parent;

/// Whether a span under `parent` is recorded: always below an active span of this process, else
/// with the given probability (0.0 to 1.0; what is no number counts as 0).
pub(crate) fn keeps(parent: &Parent, probability: f64) -> bool {
    let below_local = with_parent(parent, |parent| {
        parent.is_some_and(|parent| parent.is_valid() && !parent.is_remote())
    });
    below_local || uniform() < probability
}

/// The context of a local root that is not recorded: what nests under it sees a parent that is not
/// sampled, here and, by `traceparent`, in other processes.
pub(crate) fn unsampled(parent: &Parent) -> Context {
    let (trace_id, trace_state) = with_parent(parent, |parent| match parent {
        Some(parent) if parent.is_valid() => (parent.trace_id(), parent.trace_state().clone()),
        _ => (
            TraceId::from((u128::from(random()) << 64) | u128::from(random())),
            TraceState::default(),
        ),
    });
    let span_context = SpanContext::new(
        trace_id,
        SpanId::from(random()),
        TraceFlags::default(),
        false,
        trace_state,
    );
    match parent {
        Parent::Context(context) => context.with_remote_span_context(span_context),
        Parent::Current | Parent::Root => {
            Context::map_current(|current| current.with_remote_span_context(span_context))
        }
    }
}

fn with_parent<R>(parent: &Parent, f: impl FnOnce(Option<&SpanContext>) -> R) -> R {
    match parent {
        Parent::Root => f(None),
        Parent::Context(context) => f(Some(context.span().span_context())),
        Parent::Current => Context::map_current(|current| f(Some(current.span().span_context()))),
    }
}

/// Uniform in [0, 1).
fn uniform() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    let bits = (random() >> 11) as f64;
    bits / (1_u64 << 53) as f64
}

/// SplitMix64, seeded per thread from the standard library's hash keys.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::thread::current().id()));
    }
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}
