//! Which of many literals occur in which of many values.
//!
//! The values lie end to end in one arena, so that a vector never stops at the end of a short one. A filter
//! looks at the first bytes of every position and leaves few; those are looked up in a table and compared in
//! full.
//!
//! Beside the crate aho-corasick, on real values and AVX2: where letter case is ignored, whose vectors it
//! does not use, it takes 2 to 20 times as long; exact literals take 3 to 6 times as long when there are
//! hundreds, 1.5 to 2.5 times when there are dozens, and with eight of them it is as fast as this or up to
//! twice as fast. Beside the scalar level its automaton takes 1.3 of the time with eight literals and 0.8 to 0.9
//! with dozens or hundreds.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod error;
mod fingerprints;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
mod table;

pub use error::LiteralError;
use fingerprints::Fingerprints;
use table::Table;

use crate::Level;
use crate::proof::Proof;

/// Whether letters match in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// Bytes match themselves alone.
    Sensitive,
    /// ASCII letters match in either case; all other bytes match themselves alone.
    IgnoreAscii,
}

/// One occurrence of a literal in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Match {
    /// Which value, counted from 0.
    pub value: usize,
    /// Where in the arena the occurrence begins, in bytes.
    pub start: usize,
    /// Which literal, counted from 0 in the order in which they were given.
    pub literal: usize,
}

/// A set of literals, ready to be searched for.
///
/// ```
/// use otel_enhance_kernels::scan::{Case, Literals};
///
/// let literals = Literals::new(["password=", "bearer "], Case::IgnoreAscii)?;
/// let values = ["GET", "Bearer eyJhbGciOi", "/login?user=a&Password=b", "pass", "word="];
///
/// let arena = values.concat();
/// let mut ends = Vec::new();
/// for value in values {
///     ends.push(ends.last().unwrap_or(&0) + value.len());
/// }
/// let mut found = Vec::new();
/// literals.scan(arena.as_bytes(), &ends, |hit| found.push((hit.value, hit.literal)));
/// // None across the ends of values.
/// assert_eq!(found, [(1, 1), (2, 0)]);
/// # Ok::<(), otel_enhance_kernels::scan::LiteralError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Literals {
    table: Table,
    fingerprints: Fingerprints,
}

impl Literals {
    /// Prepares a set. Literals of one or two bytes are allowed, but the filter then looks at so few bytes
    /// of each position, for the whole set.
    ///
    /// # Errors
    ///
    /// [`LiteralError`] if there are more than 4,096 literals, or one of them is empty.
    pub fn new<L: AsRef<[u8]>>(
        literals: impl IntoIterator<Item = L>,
        case: Case,
    ) -> Result<Self, LiteralError> {
        let literals: Vec<Box<[u8]>> = literals
            .into_iter()
            .map(|literal| literal.as_ref().into())
            .collect();
        let table = Table::new(literals, case)?;
        let fingerprints = Fingerprints::new(&table);
        Ok(Self {
            table,
            fingerprints,
        })
    }

    /// Reports every occurrence of every literal, overlapping ones too, by position, and at one position by
    /// the literals' order.
    ///
    /// `ends` has the end of each value in the arena, ascending; a value begins where the one before it
    /// ends, the first one at 0. What lies behind the last end is not searched.
    pub fn scan(&self, arena: &[u8], ends: &[usize], found: impl FnMut(Match)) {
        self.scan_with(Level::active(), arena, ends, found);
    }

    /// [`scan`](Self::scan) on a given level.
    pub fn scan_with(&self, level: Level, arena: &[u8], ends: &[usize], found: impl FnMut(Match)) {
        let end = ends.last().map_or(0, |end| arena.len().min(*end));
        let mut hits = Hits {
            table: &self.table,
            arena: &arena[..end],
            ends,
            value: 0,
            found,
        };
        match level.proof() {
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(proof) => avx2::scan(proof, &self.fingerprints, &mut hits),
            #[cfg(target_arch = "aarch64")]
            Proof::Neon(proof) => neon::scan(proof, &self.fingerprints, &mut hits),
            Proof::Scalar => scalar::scan(0, &mut hits),
        }
    }
}

/// What is done at a position that a filter has left.
struct Hits<'a, F> {
    table: &'a Table,
    arena: &'a [u8],
    ends: &'a [usize],
    /// The value of the last hit: positions come in ascending order.
    value: usize,
    found: F,
}

impl<F: FnMut(Match)> Hits<'_, F> {
    /// Reports the literals that begin at a position, which the filter has left.
    fn check(&mut self, start: usize) {
        for &literal in self.table.candidates(&self.arena[start..]) {
            let literal = usize::from(literal);
            let Some(length) = self.table.matches(literal, &self.arena[start..]) else {
                continue;
            };
            self.value += self.ends[self.value..].partition_point(|end| *end <= start);
            if self
                .ends
                .get(self.value)
                .is_some_and(|end| start + length <= *end)
            {
                (self.found)(Match {
                    value: self.value,
                    start,
                    literal,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
