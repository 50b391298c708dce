//! Symbols to bytes and back: adaptive models of sixteen symbols, asymmetric numeral systems (rANS), bits as they
//! are.
//!
//! Encoding and decoding a span is one piece of code over [`Coder`], so that the two cannot drift apart: each
//! call is given the value (which a decoder ignores) and gives back the value (which an encoder was given).

mod account;
mod decode;
mod encode;
mod lanes;
mod model;

pub(crate) use account::{Account, Accountant, Column};
pub(crate) use decode::{Reader, Streams};
pub(crate) use encode::Writer;
pub(crate) use lanes::{equal as equal_lanes, equal_wide, follow};
pub(crate) use model::Model;

use crate::error::Outcome;

pub(crate) trait Coder {
    /// Whether values are known before the call.
    const ENCODES: bool;

    /// A symbol below 16, by and into its model.
    fn symbol(&mut self, model: &mut Model, symbol: usize) -> usize;

    /// The lowest `count` bits of a value, as they are.
    fn bits(&mut self, value: u64, count: u32) -> Outcome<u64>;

    /// `len` bytes of text. An encoder takes them from `text`, a decoder appends them to `out`.
    fn text(&mut self, text: &[u8], len: usize, out: &mut Vec<u8>) -> Outcome<()>;

    /// What comes now belongs to this column, for who keeps an account.
    #[inline]
    fn at(&mut self, _column: Column) {}
}

/// A coder that writes.
pub(crate) trait Sink: Coder {
    fn writer(&mut self) -> &mut Writer;
}

/// Probabilities are fractions of this power of two.
const SCALE_BITS: u32 = 15;
/// States of the coder shrink and grow by words of this many bits.
const WORD_BITS: u32 = 16;
/// The least that a state is between two symbols.
const LEAST: u32 = 1 << WORD_BITS;
/// States that take turns.
const STATES: usize = 4;
