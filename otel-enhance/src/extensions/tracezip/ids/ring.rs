//! Keys that follow one another, and counters of which each thread takes blocks.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::OsRng;
use rand::{RngCore as _, TryRngCore as _};
use tracezip::{BLOCK, IdKey, IdPermutation};
use zeroize::Zeroizing;

use super::vault::{InChild, Vault};
use crate::export::log::lock;
use crate::lifecycle::{self, generation};

/// Blocks of a key, and its age.
const BLOCKS: u64 = (1 << 20) / BLOCK;
const LIFE: Duration = Duration::from_secs(600);
/// Keys that a receiver is told: ids of the last ones are still on their way.
const KEYS: usize = 3;

/// Held by whoever changes keys, and across a fork: the child finds every ring unlocked.
static CHANGING: Mutex<()> = Mutex::new(());
static RINGS: AtomicU64 = AtomicU64::new(0);

/// The lock on all rings, for the hook that a fork calls.
#[derive(Debug)]
pub(crate) struct RingGuard(
    #[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>,
);

impl RingGuard {
    pub(crate) fn lock() -> Self {
        Self(CHANGING.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What ids are made with.
struct Secrets {
    #[cfg_attr(
        not(any(test, feature = "otlp-http", feature = "otlp-grpc")),
        expect(dead_code, reason = "without a transport nobody is told the key")
    )]
    key: IdKey,
    ids: IdPermutation,
    nonce: u64,
}

/// The time of one key.
struct Period {
    secrets: Vault<Secrets>,
    /// The process that it belongs to.
    generation: u32,
    born: Instant,
    /// The first counter of span ids.
    first: u64,
    span_blocks: AtomicU64,
    trace_blocks: AtomicU64,
}

impl Period {
    /// Whether it is this process's: a child's is none of its own, whether the C library has told of the fork or the
    /// kernel by wiping the key.
    fn is_ours(&self) -> bool {
        self.generation == generation() && self.secrets.get().is_some()
    }
}

struct Current {
    period: Arc<Period>,
    /// Those whose keys are told, the present one and the latest before it first.
    told: Vec<Arc<Period>>,
}

/// The keys of one generator, of which the last one is in use.
pub(super) struct Ring {
    number: u64,
    /// Counts the periods; what threads have of an earlier one is not used any more.
    version: AtomicU64,
    /// A child goes on with the fleet's key, which nobody else could tell it.
    fleet: Option<Vault<IdKey>>,
    current: Mutex<Current>,
}

/// What a thread has of a ring.
struct Mine {
    ring: u64,
    version: u64,
    period: Arc<Period>,
    spans: Block,
    traces: Block,
}

/// What is left of a block.
#[derive(Clone, Copy, Default)]
struct Block {
    next: u64,
    left: u64,
}

impl Block {
    fn take(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        self.next = self.next.wrapping_add(1);
        Some(self.next.wrapping_sub(1))
    }
}

thread_local! {
    static MINE: RefCell<Option<Mine>> = const { RefCell::new(None) };
}

fn period(fleet: Option<&IdKey>) -> Period {
    // As all random ids: without entropy there is nothing to go on with.
    let mut entropy = OsRng.unwrap_err();
    let secrets = Vault::new(
        || {
            let mut bytes = Zeroizing::new([0; IdKey::LEN]);
            let key = match fleet {
                Some(key) => key.clone(),
                None => {
                    entropy.fill_bytes(&mut *bytes);
                    IdKey::of_process(*bytes)
                }
            };
            Secrets {
                ids: IdPermutation::new(&key),
                key,
                nonce: entropy.next_u64(),
            }
        },
        InChild::Wiped,
    );
    Period {
        secrets,
        generation: generation(),
        born: Instant::now(),
        first: match fleet {
            Some(_) => u64::from(entropy.next_u32()) << 32,
            None => 0,
        },
        // The first block is left out, as is the second part of a counter that is 0.
        span_blocks: AtomicU64::new(1),
        trace_blocks: AtomicU64::new(1),
    }
}

impl Ring {
    pub(super) fn new(fleet: Option<IdKey>) -> Self {
        // Without the hook a forked child would go on with its parent's key and counter.
        let _ = lifecycle::arm_fork();
        let fleet = fleet.map(|key| Vault::new(|| key, InChild::Kept));
        let period = Arc::new(period(fleet.as_ref().and_then(Vault::get)));
        Self {
            number: RINGS.fetch_add(1, Ordering::Relaxed),
            version: AtomicU64::new(1),
            fleet,
            current: Mutex::new(Current {
                told: vec![Arc::clone(&period)],
                period,
            }),
        }
    }

    pub(super) fn span_id(&self) -> [u8; 8] {
        loop {
            let id = self.draw(|mine| {
                let secrets = mine.period.secrets.get()?;
                Some(secrets.ids.span_id(mine.spans.take()?))
            });
            if id != [0; 8] {
                return id;
            }
        }
    }

    pub(super) fn trace_id(&self) -> [u8; 16] {
        loop {
            let id = self.draw(|mine| {
                let secrets = mine.period.secrets.get()?;
                Some(secrets.ids.trace_id(secrets.nonce, mine.traces.take()?))
            });
            if id != [0; 16] {
                return id;
            }
        }
    }

    /// Draws from what this thread has, and gets it more when there is none.
    fn draw<T>(&self, draw: impl Fn(&mut Mine) -> Option<T>) -> T {
        let drawn = MINE.try_with(|slot| {
            let mut slot = slot.try_borrow_mut().ok()?;
            if let Some(mine) = &mut *slot
                && mine.ring == self.number
                && mine.version == self.version.load(Ordering::Relaxed)
                && mine.period.generation == generation()
                && let Some(id) = draw(mine)
            {
                return Some(id);
            }
            let (mine, id) = self.refill(slot.take(), &draw);
            *slot = Some(mine);
            Some(id)
        });
        match drawn {
            Ok(Some(id)) => id,
            // The thread is about to end.
            _ => self.refill(None, &draw).1,
        }
    }

    #[cold]
    fn refill<T>(&self, mine: Option<Mine>, draw: &impl Fn(&mut Mine) -> Option<T>) -> (Mine, T) {
        let mut mine = mine
            .filter(|mine| mine.ring == self.number)
            .unwrap_or_else(|| self.mine());
        loop {
            if mine.version != self.version.load(Ordering::Relaxed) || !mine.period.is_ours() {
                mine = self.mine();
            }
            let period = &mine.period;
            let (blocks, block, first) = if mine.spans.left == 0 {
                (&period.span_blocks, &mut mine.spans, period.first)
            } else {
                (&period.trace_blocks, &mut mine.traces, 0)
            };
            if block.left == 0 {
                let number = blocks.fetch_add(1, Ordering::Relaxed);
                if number > BLOCKS || period.born.elapsed() > LIFE {
                    self.change(mine.version);
                    continue;
                }
                *block = Block {
                    next: first + number * BLOCK,
                    left: BLOCK,
                };
            }
            if let Some(id) = draw(&mut mine) {
                return (mine, id);
            }
        }
    }

    /// The period that holds, with nothing taken of it.
    fn mine(&self) -> Mine {
        let _changing = RingGuard::lock();
        let mut current = lock(&self.current);
        self.own(&mut current);
        Mine {
            ring: self.number,
            version: self.version.load(Ordering::Relaxed),
            period: Arc::clone(&current.period),
            spans: Block::default(),
            traces: Block::default(),
        }
    }

    /// Ends a period, unless somebody else did.
    fn change(&self, version: u64) {
        let _changing = RingGuard::lock();
        if self.version.load(Ordering::Relaxed) == version {
            self.next(&mut lock(&self.current));
        }
    }

    pub(super) fn reseed(&self) {
        let _changing = RingGuard::lock();
        self.next(&mut lock(&self.current));
    }

    /// Begins a period of this process's, in a child.
    fn own(&self, current: &mut Current) {
        if !current.period.is_ours() {
            // The parent's keys are none of the child's business.
            current.told.clear();
            self.next(current);
        }
    }

    fn next(&self, current: &mut Current) {
        let fleet = self.fleet.as_ref().and_then(Vault::get);
        current.period = Arc::new(period(fleet));
        let kept = if fleet.is_some() { 0 } else { KEYS - 1 };
        current.told.truncate(kept);
        current.told.insert(0, Arc::clone(&current.period));
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(any(test, feature = "otlp-http", feature = "otlp-grpc"))]
    pub(super) fn keys_since(&self, known: u64) -> Option<(u64, Vec<IdKey>)> {
        let _changing = RingGuard::lock();
        let mut current = lock(&self.current);
        self.own(&mut current);
        // Threads that make few ids take a new block rarely.
        if current.period.born.elapsed() > LIFE {
            self.next(&mut current);
        }
        let version = self.version.load(Ordering::Relaxed);
        let keys = current
            .told
            .iter()
            .filter_map(|period| period.secrets.get());
        (version != known).then(|| (version, keys.map(|secrets| secrets.key.clone()).collect()))
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}
