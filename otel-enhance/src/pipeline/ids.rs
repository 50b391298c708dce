//! Random ids, different in parent and child after a fork.

use std::cell::RefCell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::lifecycle::generation;

/// What the SDK's generator does, with a new seed in a forked child: a copied generator would give
/// parent and child the same ids.
#[derive(Debug)]
pub(super) struct ForkSafeIdGenerator;

thread_local! {
    static RNG: RefCell<Seeded> = RefCell::new(Seeded::new());
}

struct Seeded {
    generation: u32,
    rng: SmallRng,
}

impl Seeded {
    fn new() -> Self {
        Self {
            generation: generation(),
            rng: SmallRng::from_os_rng(),
        }
    }
}

fn with_rng<T>(draw: impl FnOnce(&mut SmallRng) -> T) -> T {
    RNG.with_borrow_mut(|seeded| {
        if seeded.generation != generation() {
            *seeded = Seeded::new();
        }
        draw(&mut seeded.rng)
    })
}

impl IdGenerator for ForkSafeIdGenerator {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(with_rng(|rng| rng.random::<u128>()))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(with_rng(|rng| rng.random::<u64>()))
    }
}
