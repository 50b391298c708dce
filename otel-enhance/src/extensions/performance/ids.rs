//! Random ids from a generator of the thread's own: no lock, no system call, and different in parent
//! and child after a fork.

use std::cell::RefCell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::lifecycle::generation;

thread_local! {
    static RNG: RefCell<Option<Seeded>> = const { RefCell::new(None) };
}

struct Seeded {
    generation: u32,
    rng: SmallRng,
}

/// Draws from the thread's generator.
#[inline(always)]
fn draw<T>(draw: impl Fn(&mut SmallRng) -> T) -> T {
    RNG.with(|rng| {
        let Ok(mut slot) = rng.try_borrow_mut() else {
            return draw(&mut SmallRng::from_os_rng());
        };
        match &mut *slot {
            Some(seeded) if seeded.generation == generation() => draw(&mut seeded.rng),
            _ => draw(&mut seed(&mut slot).rng),
        }
    })
}

#[cold]
fn seed(slot: &mut Option<Seeded>) -> &mut Seeded {
    slot.insert(Seeded {
        generation: generation(),
        rng: SmallRng::from_os_rng(),
    })
}

/// A random span id, never the invalid one.
#[inline(always)]
pub(super) fn span_id() -> SpanId {
    SpanId::from(draw(|rng| {
        loop {
            let id = rng.random::<u64>();
            if id != 0 {
                return id;
            }
        }
    }))
}

/// A random trace id, never the invalid one.
#[inline(always)]
pub(super) fn trace_id() -> TraceId {
    TraceId::from(draw(|rng| {
        loop {
            let id = rng.random::<u128>();
            if id != 0 {
                return id;
            }
        }
    }))
}

/// The generator of the fast path for providers built by hand: what the SDK's does, but with a new seed
/// in a forked child, and never an invalid id.
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use otel_enhance::extensions::performance::FastIdGenerator;
///
/// let provider = SdkTracerProvider::builder()
///     .with_id_generator(FastIdGenerator)
///     .build();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FastIdGenerator;

impl IdGenerator for FastIdGenerator {
    fn new_trace_id(&self) -> TraceId {
        trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        span_id()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_several_threads_are_valid_and_differ() {
        let draw = || {
            (0..10_000)
                .map(|_| {
                    (
                        FastIdGenerator.new_trace_id(),
                        FastIdGenerator.new_span_id(),
                    )
                })
                .collect::<Vec<_>>()
        };
        let threads = [(); 4].map(|()| std::thread::spawn(draw));
        let ids: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert!(
            ids.iter()
                .all(|(trace, span)| { *trace != TraceId::INVALID && *span != SpanId::INVALID })
        );
        let traces: HashSet<_> = ids.iter().map(|(trace, _)| *trace).collect();
        let spans: HashSet<_> = ids.iter().map(|(_, span)| *span).collect();
        assert_eq!((traces.len(), spans.len()), (40_000, 40_000));
    }

    #[test]
    fn generator_of_another_generation_is_seeded_anew() {
        let next = || draw(|rng| rng.clone().random::<u64>());
        let _ = span_id();
        let before = next();
        assert_eq!(before, next());
        RNG.with_borrow_mut(|slot| {
            if let Some(seeded) = slot {
                seeded.generation = seeded.generation.wrapping_sub(1);
            }
        });
        assert_ne!(before, next());
    }
}
