//! Instrumentation scopes, interned: a callsite refers to its scope by a small number, and a
//! backend finds the tracer of that number without a lock.

#[cfg(all(unix, feature = "sdk"))]
use std::sync::RwLockWriteGuard;
use std::sync::{OnceLock, PoisonError, RwLock};

use opentelemetry::InstrumentationScope;

/// The instrumentation scope of a span: the crate that annotates, or `tracer = "name"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope(u32);

/// They are never freed: each number stands for one for as long as the process runs.
static SCOPES: RwLock<Vec<&'static InstrumentationScope>> = RwLock::new(Vec::new());

/// Their lock, which a fork holds so that the child finds it free.
#[cfg(all(unix, feature = "sdk"))]
pub(crate) struct ScopesGuard(
    #[expect(dead_code, reason = "held")]
    RwLockWriteGuard<'static, Vec<&'static InstrumentationScope>>,
);

#[cfg(all(unix, feature = "sdk"))]
impl ScopesGuard {
    pub(crate) fn lock() -> Self {
        Self(SCOPES.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Scope {
    /// The scope of this name and version, the same number for the same pair.
    pub(crate) fn intern(name: &'static str, version: Option<&'static str>) -> Self {
        let same =
            |scope: &&InstrumentationScope| scope.name() == name && scope.version() == version;
        let mut scopes = SCOPES.write().unwrap_or_else(PoisonError::into_inner);
        let index = scopes.iter().position(same).unwrap_or_else(|| {
            let builder = InstrumentationScope::builder(name);
            scopes.push(Box::leak(Box::new(match version {
                Some(version) => builder.with_version(version).build(),
                None => builder.build(),
            })));
            scopes.len() - 1
        });
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The number of an official scope; `None` where there are so many that they had better be freed
    /// with their tracers.
    #[cfg(feature = "performance")]
    pub(crate) fn of(official: &InstrumentationScope) -> Option<Self> {
        const MOST: usize = 1024;
        let known =
            |scopes: &[&InstrumentationScope]| scopes.iter().position(|scope| *scope == official);
        let known_before = known(&SCOPES.read().unwrap_or_else(PoisonError::into_inner));
        let index = known_before.or_else(|| {
            let mut scopes = SCOPES.write().unwrap_or_else(PoisonError::into_inner);
            known(&scopes).or_else(|| {
                (scopes.len() < MOST).then(|| {
                    scopes.push(Box::leak(Box::new(official.clone())));
                    scopes.len() - 1
                })
            })
        })?;
        u32::try_from(index).ok().map(Self)
    }

    /// The number of no scope.
    #[cfg(feature = "performance")]
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// Name and version, as the official API wants them.
    #[must_use]
    pub fn to_instrumentation_scope(self) -> InstrumentationScope {
        let scopes = SCOPES.read().unwrap_or_else(PoisonError::into_inner);
        match scopes.get(self.0 as usize) {
            Some(scope) => (*scope).clone(),
            None => InstrumentationScope::default(),
        }
    }

    /// The same, kept for ever; `None` for the number of no scope.
    #[cfg(feature = "performance")]
    pub(crate) fn official(self) -> Option<&'static InstrumentationScope> {
        let scopes = SCOPES.read().unwrap_or_else(PoisonError::into_inner);
        scopes.get(self.0 as usize).copied()
    }
}

/// One lazily made value per scope, read without a lock: the first scopes have theirs at hand, the
/// others in chunks of 16, 32, 64, … slots, so that no slot ever moves.
pub(crate) struct PerScope<T> {
    first: [OnceLock<T>; FIRST],
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
}

const FIRST: usize = 16;
const FIRST_CHUNK_BITS: u32 = 4;
const CHUNKS: usize = 29;

impl<T> PerScope<T> {
    pub(crate) const fn new() -> Self {
        Self {
            first: [const { OnceLock::new() }; FIRST],
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// The value of `scope`, made on first use.
    #[inline(always)]
    pub(crate) fn get_or_init(&self, scope: Scope, make: impl FnOnce() -> T) -> &T {
        match self.first.get(scope.0 as usize) {
            Some(slot) => slot.get_or_init(make),
            None => self.slot(scope).get_or_init(make),
        }
    }

    #[inline(never)]
    fn slot(&self, scope: Scope) -> &OnceLock<T> {
        // Chunk k holds the numbers whose distance to -16 has its highest bit at k + 4.
        let place = u64::from(scope.0) + (1 << FIRST_CHUNK_BITS);
        let bit = place.ilog2();
        let chunk = self.chunks[(bit - FIRST_CHUNK_BITS) as usize].get_or_init(|| chunk_of(bit));
        &chunk[(place - (1 << bit)) as usize]
    }
}

#[cold]
fn chunk_of<T>(bit: u32) -> Box<[OnceLock<T>]> {
    (0..1_u64 << bit).map(|_| OnceLock::new()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_interned_twice_is_the_same_number() {
        let first = Scope::intern("scope-tests", Some("1"));
        assert_eq!(first, Scope::intern("scope-tests", Some("1")));
        assert_ne!(first, Scope::intern("scope-tests", Some("2")));
        assert_ne!(first, Scope::intern("scope-tests", None));
        assert_eq!(first.to_instrumentation_scope().version(), Some("1"));
    }

    #[test]
    fn table_given_many_scopes_keeps_each_value() {
        let table = PerScope::new();
        for index in 0..300 {
            assert_eq!(*table.get_or_init(Scope(index), || index), index);
        }
        for index in 0..300 {
            assert_eq!(*table.get_or_init(Scope(index), || u32::MAX), index);
        }
    }

    #[test]
    fn table_given_the_greatest_number_has_a_chunk_for_it() {
        let place = u64::from(u32::MAX) + (1 << FIRST_CHUNK_BITS);
        assert!(((place.ilog2() - FIRST_CHUNK_BITS) as usize) < CHUNKS);
    }
}
