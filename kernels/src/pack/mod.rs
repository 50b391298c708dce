//! Columns of integers in few bits: differences, a frame of reference, bit packing.
//!
//! Packed values follow each other without gaps, the lowest bit first; the last byte is filled with zeros.
//! A column may have any length. What a frame or a count is written as belongs to the format that uses them.
//!
//! ```
//! use otel_enhance_kernels::pack::{self, Frame};
//!
//! // Nanoseconds since 1970, of spans that start one after the other.
//! let starts = [1_795_475_076_420_260_505_u64, 1_795_475_076_420_260_612, 1_795_475_076_420_260_598];
//! let mut column = Vec::new();
//! pack::append_deltas(starts[0], &starts[1..], &mut column);
//! assert_eq!(column, [214, 27], "2 × 107 and 2 × 14 - 1");
//!
//! let frame = Frame::of(&column);
//! let mut bytes = Vec::new();
//! pack::append_packed(frame, &column, &mut bytes);
//! assert_eq!((frame.base(), frame.width(), bytes.len()), (27, 8, 2));
//!
//! let mut read = Vec::new();
//! pack::append_unpacked(frame, &bytes, 2, &mut read)?;
//! pack::undo_deltas(starts[0], &mut read);
//! assert_eq!(read, starts[1..]);
//! # Ok::<(), pack::UnpackError>(())
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
mod bits;
mod deltas;
mod error;
mod frame;

pub use bits::{append_packed, append_unpacked};
pub use error::UnpackError;
pub use frame::Frame;

use crate::Level;
#[cfg(target_arch = "x86_64")]
use crate::proof::Proof;

/// Appends each value's difference to the one before it, to `before` at first: modulo 2^64, as a signed
/// number, and zigzag-coded, so that small ones of either sign have few bits.
pub fn append_deltas(before: u64, values: &[u64], out: &mut Vec<u64>) {
    append_deltas_with(Level::active(), before, values, out);
}

/// [`append_deltas`] on a given level.
pub fn append_deltas_with(level: Level, before: u64, values: &[u64], out: &mut Vec<u64>) {
    match level.proof() {
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(proof) => avx2::append_deltas(proof, before, values, out),
        _ => deltas::append(before, values, out),
    }
}

/// Turns what [`append_deltas`] wrote into the values again, in place.
pub fn undo_deltas(before: u64, column: &mut [u64]) {
    deltas::undo(before, column);
}

#[cfg(test)]
mod tests;
