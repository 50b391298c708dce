//! Frames of tracezip, undone: the server's side of its negotiation.

mod delivered;
mod settings;
mod shards;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use tracezip::{Acknowledgement, DecodeError};

use crate::budget::Charge;
use crate::coding::Encoding;
use crate::outcome::{GrpcCode, Refusal, Success};
use crate::request::{ContentType, RequestHead};
use crate::service::{Shared, panicked};
use delivered::{Arrival, Key};
pub use settings::Tracezip;
pub use shards::TracezipStats;
pub(crate) use shards::{Shards, sweep_while_alive};

pub(crate) use tracezip::{CONTENT_CODING, GRPC_PATH};

impl Shared {
    /// What takes frames, if this receiver does.
    pub(crate) fn tracezip(&self) -> Option<&Arc<Shards>> {
        self.tracezip.as_ref()
    }

    /// Decodes a frame and gives what was in it to the handler, as if it had come as plain OTLP.
    pub(crate) async fn export_frame(
        &self,
        shards: &Shards,
        head: RequestHead,
        frame: Bytes,
        mut charge: Charge,
    ) -> Result<Success, Refusal> {
        let principal = match &self.hook {
            Some(hook) => {
                catch_unwind(AssertUnwindSafe(|| hook.principal(&head))).map_err(|_| panicked())?
            }
            None => 0,
        };
        let decoded = shards.decode(principal, &frame, &self.limits)?;
        let answer = decoded.answer.clone();
        if let (Some(lost), Some(key)) = (&decoded.lost, decoded.key) {
            return match shards.arrives(key, decoded.repeated).await {
                Arrival::Delivered(success) => Ok(success.with_answer(answer)),
                // It is dropped, and the frame may come again in a way that can be decoded.
                Arrival::Claimed(_) => Err(lost.clone()),
            };
        }
        let result = self
            .deliver(shards, head, &frame, decoded, &mut charge)
            .await;
        // State and delivery are told apart: whatever became of the spans, the frame was decoded.
        match result {
            Ok(success) => Ok(success.with_answer(answer)),
            Err(refusal) => Err(refusal.with_answer(answer)),
        }
    }

    async fn deliver(
        &self,
        shards: &Shards,
        head: RequestHead,
        frame: &Bytes,
        decoded: shards::Undone,
        charge: &mut Charge,
    ) -> Result<Success, Refusal> {
        if decoded.body.is_empty() {
            // A probe. As a request it would hold nothing either.
            return Ok(Success::default());
        }
        charge
            .grow(decoded.body.len())
            .map_err(|_| Refusal::busy("the receiver is out of memory for requests"))?;
        let claim = match decoded.key {
            None => None,
            Some(key) => match shards.arrives(key, decoded.repeated).await {
                Arrival::Claimed(claim) => Some(claim),
                Arrival::Delivered(success) => return Ok(success),
            },
        };
        let result = self
            .export(
                head,
                ContentType::Protobuf,
                Encoding::Tracezip,
                frame.len(),
                decoded.body.into(),
                std::mem::replace(charge, self.budget.charge()),
            )
            .await;
        if let (Some(claim), Ok(success)) = (claim, &result) {
            claim.delivered(success);
        }
        result
    }
}

/// What a frame that cannot be decoded is answered with. One that builds on what is not known here must not look
/// delivered to anyone, and is no fault of the request either.
fn refusal(error: DecodeError) -> Refusal {
    let text = format!("the body is no frame that can be decoded: {error}");
    match error {
        DecodeError::StateLost => {
            Refusal::new(StatusCode::CONFLICT, GrpcCode::FailedPrecondition, text)
        }
        DecodeError::TooLarge { .. } => {
            Refusal::from_http_status(StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        _ => Refusal::malformed(text),
    }
}

/// The field of the response that holds the answer.
fn field(answer: Option<&Acknowledgement>) -> Bytes {
    let mut field = Vec::new();
    tracezip::put_answer(answer, &mut field);
    field.into()
}

/// The handle, epoch and number of a frame, within a shard.
fn key(shard: usize, answer: &Acknowledgement) -> Key {
    Key {
        shard,
        handle: answer.handle,
        epoch: answer.epoch,
        sequence: answer.sequence,
    }
}
