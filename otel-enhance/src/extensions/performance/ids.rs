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
    rng: IdRng,
}

/// A multiplicative congruential generator of 128 bits (Lehmer's), of which the upper half is drawn: three
/// multiplications in registers for an id, and as many streams that do not meet as there are seeds.
#[derive(Clone, Debug)]
pub(super) struct IdRng(u128);

impl IdRng {
    /// From Steele and Vigna, "Computationally easy, spectrally good multipliers", 2022.
    const MULTIPLIER: u128 = 0xda94_2042_e4dd_58b5;

    /// With a seed from the system.
    #[cold]
    pub(super) fn seeded() -> Self {
        // An even state would have a shorter period.
        let mut rng = Self(SmallRng::from_os_rng().random::<u128>() | 1);
        // A small state takes a few steps to reach the upper half.
        for _ in 0..4 {
            rng.draw();
        }
        rng
    }

    #[inline(always)]
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER);
        (self.0 >> 64) as u64
    }

    /// A random span id, never the invalid one.
    #[inline(always)]
    pub(super) fn span_id(&mut self) -> SpanId {
        loop {
            let id = self.draw();
            if id != 0 {
                return SpanId::from(id);
            }
        }
    }

    /// A random trace id, never the invalid one.
    #[inline(always)]
    pub(super) fn trace_id(&mut self) -> TraceId {
        loop {
            let id = u128::from(self.draw()) << 64 | u128::from(self.draw());
            if id != 0 {
                return TraceId::from(id);
            }
        }
    }
}

/// Draws from the thread's generator.
fn draw<T>(draw: impl Fn(&mut IdRng) -> T) -> T {
    RNG.with(|rng| {
        let Ok(mut slot) = rng.try_borrow_mut() else {
            return draw(&mut IdRng::seeded());
        };
        match &mut *slot {
            Some(seeded) if seeded.generation == generation() => draw(&mut seeded.rng),
            _ => draw(&mut reseed(&mut slot).rng),
        }
    })
}

#[cold]
fn reseed(slot: &mut Option<Seeded>) -> &mut Seeded {
    slot.insert(Seeded {
        generation: generation(),
        rng: IdRng::seeded(),
    })
}

/// A random span id, never the invalid one.
pub(super) fn span_id() -> SpanId {
    draw(IdRng::span_id)
}

/// A random trace id, never the invalid one.
pub(super) fn trace_id() -> TraceId {
    draw(IdRng::trace_id)
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
        let next = || draw(|rng| rng.clone().draw());
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
