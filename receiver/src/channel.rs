//! Requests into a bounded channel.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::handler::Handler;
use crate::outcome::Outcome;
use crate::request::Request;

/// How long a sender is asked to wait when the channel is full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A handler which puts requests into a channel of `capacity` (at least 1), and its other end. When
/// the channel is full senders are told to come again, and when the other end is gone, that the
/// receiver is unavailable. The receiving end works with and without tokio
/// ([`recv`](mpsc::Receiver::recv), [`blocking_recv`](mpsc::Receiver::blocking_recv)).
///
/// A request is acknowledged when it is in the channel: what a crash takes from there is lost.
///
/// ```
/// use otel_enhance_receiver::{Receiver, channel};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (handler, mut requests) = channel(64);
/// let receiver = Receiver::builder()
///     .with_http("127.0.0.1:0")
///     .with_handler(handler)
///     .start_blocking()?;
/// assert!(requests.try_recv().is_err());
/// # drop(receiver);
/// # Ok(())
/// # }
/// ```
pub fn channel(capacity: usize) -> (ChannelHandler, mpsc::Receiver<Request>) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (ChannelHandler { sender }, receiver)
}

/// The sending half of [`channel`].
#[derive(Debug, Clone)]
pub struct ChannelHandler {
    sender: mpsc::Sender<Request>,
}

impl Handler for ChannelHandler {
    async fn export(&self, request: Request) -> Outcome {
        match self.sender.try_send(request) {
            Ok(()) => Outcome::Accepted,
            Err(TrySendError::Full(_)) => Outcome::Busy {
                retry_after: RETRY_AFTER,
            },
            Err(TrySendError::Closed(_)) => Outcome::Unavailable {
                retry_after: None,
                message: "nobody takes requests from the receiver any more".to_owned(),
            },
        }
    }
}
