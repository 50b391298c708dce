//! The frame of reference of a column: its least value, and the bits that the others need above it.

use super::UnpackError;
use crate::Level;
#[cfg(target_arch = "x86_64")]
use crate::proof::Proof;

/// What packed values are relative to, and how many bits each has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame {
    base: u64,
    width: u8,
}

impl Frame {
    /// The narrowest one that holds all these values; base 0 and width 0 for none.
    pub fn of(values: &[u64]) -> Self {
        Self::of_with(Level::active(), values)
    }

    /// [`of`](Self::of) on a given level.
    pub fn of_with(level: Level, values: &[u64]) -> Self {
        let (least, greatest) = match level.proof() {
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(proof) => super::avx2::range(proof, values),
            _ => range(values),
        };
        Self {
            base: least,
            width: (64 - (greatest - least).leading_zeros()) as u8,
        }
    }

    /// One that was read: `width` bits above `base`.
    ///
    /// # Errors
    ///
    /// [`UnpackError::Width`] if the width is above 64 bits.
    pub fn new(base: u64, width: u8) -> Result<Self, UnpackError> {
        if width > 64 {
            return Err(UnpackError::Width { width });
        }
        Ok(Self { base, width })
    }

    /// What is added to each packed value.
    pub fn base(self) -> u64 {
        self.base
    }

    /// Bits of each packed value, 0 to 64.
    pub fn width(self) -> u8 {
        self.width
    }

    /// Bytes that so many values take, at most `usize::MAX`.
    pub fn packed_len(self, values: usize) -> usize {
        let bits = values as u128 * u128::from(self.width);
        usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
    }
}

/// The least and the greatest value; zeros for none.
#[inline(always)]
pub(super) fn range(values: &[u64]) -> (u64, u64) {
    let Some(&first) = values.first() else {
        return (0, 0);
    };
    values
        .iter()
        .fold((first, first), |(least, greatest), value| {
            (least.min(*value), greatest.max(*value))
        })
}
