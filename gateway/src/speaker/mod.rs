//! The sender's side of tracezip: when it is spoken, what a frame builds on, and what is done when something
//! gets lost.
//!
//! Nothing here knows a gateway. Whoever sends implements [`Carrier`], which takes frames and requests to the
//! other side; a [`Stream`] turns requests into frames, one stream a tenant; a [`Negotiation`] is what is known
//! of the other side, and shared by all streams to it.

mod coder;
mod negotiation;
mod stream;

pub(crate) use negotiation::{Memory, Negotiation};
pub(crate) use stream::{Route, Sent, Stream};

use std::future::Future;

use bytes::Bytes;
use tracezip::Acknowledgement;

/// What the other side did with a frame; `D` is what became of the request in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard<D> {
    /// It answered as one who speaks tracezip.
    Answered {
        /// Nothing for a probe.
        acknowledgement: Option<Acknowledgement>,
        delivery: D,
    },
    /// It took the frame for something else, or does not know the coding. `taken`: it said that all was well, and
    /// nothing of the frame.
    NotSpoken { taken: bool },
    /// It lacks what the frame builds on, and its acknowledgement got lost on the way.
    StateLost,
    /// It refuses the frame for good, be it because it does not speak tracezip. `doubtful`: it failed, and may have
    /// got on with it nonetheless.
    Refused { doubtful: bool },
    /// It was refused before it was decoded, or nothing is known of it.
    Failed { delivery: D, how: Failure },
}

/// How a frame failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody was reached, or it is to come again later, as OTLP would have to.
    TurnedAway,
    /// Something else was answered, which may be about frames.
    Unclear,
    /// Nothing was answered in time.
    Silent,
    /// No answer came, for the connection broke: the same frame may be sent again, which is delivered once.
    Broken,
}

/// Takes messages to the other side.
pub(crate) trait Carrier: Sync {
    /// What became of a request.
    type Delivery: Send;

    /// Sends a probe, whose answer is waited for so long that the request can go as OTLP in the time that is left.
    fn probe(&self, frame: Bytes) -> impl Future<Output = Heard<Self::Delivery>> + Send;

    /// Sends a frame.
    fn frame(&self, frame: Bytes) -> impl Future<Output = Heard<Self::Delivery>> + Send;

    /// Sends the request as OTLP.
    fn otlp(&self) -> impl Future<Output = Self::Delivery> + Send;
}
