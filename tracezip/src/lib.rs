//! Lossless, stateful compression of OTLP traces: bytes in, bytes out.

mod ack;
mod coder;
mod decoder;
mod dict;
mod encoder;
mod envelope;
mod error;
mod frame;
mod ids;
mod inspect;
mod limits;
mod models;
mod pattern;
mod session;
mod shape;
mod stream;
mod text;
mod traces;
mod wire;

pub use ack::Acknowledgement;
pub use decoder::{Decoded, Decoder};
pub use encoder::{Encoded, Encoder};
pub use error::DecodeError;
pub use frame::{MAGIC, StreamId};
pub use ids::{BLOCK, IdKey, IdPermutation};
pub use inspect::{ColumnCost, Inspection};
pub use limits::Limits;
