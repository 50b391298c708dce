//! Lossless, stateful compression of OTLP traces: bytes in, bytes out.
//!
//! An [`Encoder`] turns OTLP requests (`ExportTraceServiceRequest`, as any SDK writes them, or any other bytes) into
//! frames; a [`Decoder`] turns frames into the same bytes. What spans have in common is said once and referred to
//! later, but only once the receiver has acknowledged it: frames may be lost, repeated, reordered, and a receiver
//! may forget everything, without a span being decoded wrongly. Every frame ends with a hash of what it decodes to.
//!
//! ```
//! use tracezip::{Decoder, Encoder, Limits};
//!
//! // 128 and 64 random bits in earnest.
//! let mut encoder = Encoder::new([7; 16]);
//! let mut decoder = Decoder::new(42, Limits::default());
//! for request in [&b"any bytes"[..], b"more of them"] {
//!     let (mut frame, mut out) = (Vec::new(), Vec::new());
//!     encoder.encode(request, &mut frame);
//!     let decoded = decoder.decode(0, &frame, &mut out)?;
//!     assert_eq!(out, request);
//!     if let Some(answer) = decoded.answer {
//!         encoder.acknowledge(&answer);
//!     }
//! }
//! # Ok::<(), tracezip::DecodeError>(())
//! ```
//!
//! [`IdPermutation`] makes ids that cost next to nothing, because the receiver can tell them from a counter.
//! `FORMAT.md` beside this crate's manifest describes every byte.
//!
//! No I/O, no clock, no randomness of its own (but for the seed of hash tables), no SDK.
//!
//! # Features
//!
//! `cli` builds the command line `tracezip`: `compress`, `decompress`, `stat`, `inspect`.

mod ack;
mod coder;
mod decoder;
mod dict;
mod encoder;
mod envelope;
mod error;
mod fetch;
mod frame;
mod hash;
mod ids;
mod inspect;
mod limits;
mod models;
mod negotiation;
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
pub use negotiation::{
    ANSWER_FIELD, CONTENT_CODING, FrameHead, GRPC_PATH, find_answer, put_answer, put_probe,
};
