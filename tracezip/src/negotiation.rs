//! How a sender finds out whether a receiver speaks tracezip, and how answers travel.

use crate::ack::Acknowledgement;
use crate::coder::Streams;
use crate::error::{DecodeError, Result};
use crate::frame::{self, StreamName};
use crate::limits::Limits;
use crate::wire::{self, put_varint};

/// The content coding of a frame over HTTP.
pub const CONTENT_CODING: &str = "tracezip1";

/// The path of the unary gRPC method that takes frames: the request message is one frame, without protobuf around.
pub const GRPC_PATH: &str = "/tracezip.v1.TracezipService/Export";

/// The field of `ExportTraceServiceResponse`, and of `google.rpc.Status` in errors, that holds the answer.
pub const ANSWER_FIELD: u32 = 100_007;

/// The key of the field: its number, and that bytes follow.
const KEY: u64 = (ANSWER_FIELD as u64) << 3 | 2;

/// Appends to an encoded response what its receiver answers to a frame. Without an acknowledgement the field is empty:
/// the receiver speaks tracezip, and the frame was self-contained or refused.
///
/// ```
/// use tracezip::{find_answer, put_answer};
///
/// let mut response = Vec::new();
/// assert_eq!(find_answer(&response), None);
/// put_answer(None, &mut response);
/// assert_eq!(find_answer(&response), Some(Ok(None)));
/// ```
pub fn put_answer(answer: Option<&Acknowledgement>, response: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    if let Some(answer) = answer {
        answer.put(&mut bytes);
    }
    put_varint(KEY, response);
    put_varint(bytes.len() as u64, response);
    response.extend_from_slice(&bytes);
}

/// Looks for the answer in an encoded response. Nothing if there is none, or if this is no protobuf: whoever sent it
/// does not speak tracezip.
///
/// # Errors
///
/// Those of [`Acknowledgement::read`].
#[must_use]
pub fn find_answer(response: &[u8]) -> Option<Result<Option<Acknowledgement>>> {
    let mut at = 0;
    let mut found = None;
    while at < response.len() {
        let key = wire::varint(response, at)?;
        at = key.end;
        let len = match key.value & 7 {
            0 => {
                at = wire::varint(response, at)?.end;
                continue;
            }
            1 => 8,
            2 => {
                let len = wire::varint(response, at)?;
                at = len.end;
                usize::try_from(len.value).ok()?
            }
            5 => 4,
            _ => return None,
        };
        let end = at.checked_add(len).filter(|end| *end <= response.len())?;
        if key.value == KEY {
            found = Some(&response[at..end]);
        }
        at = end;
    }
    let found = found?;
    Some(if found.is_empty() {
        Ok(None)
    } else {
        Acknowledgement::read(found).map(Some)
    })
}

/// What the head of a frame tells without decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHead {
    /// Two bytes that all frames of a stream have in common, and hardly any other stream's; nothing if the frame
    /// is self-contained. Receivers with several [`Decoder`](crate::Decoder)s choose one by it.
    pub affinity: Option<u16>,
    /// The epoch; 0 if the frame is self-contained.
    pub epoch: u64,
    /// The number in the epoch; 0 if the frame is self-contained.
    pub sequence: u64,
    /// Bytes that the frame says it decodes to.
    pub decoded_len: usize,
}

impl FrameHead {
    /// Reads the head of a frame. Nothing else of it is looked at.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotAFrame`], [`DecodeError::Unsupported`], [`DecodeError::Truncated`],
    /// [`DecodeError::TooLarge`] by these limits, and [`DecodeError::Corrupt`].
    pub fn read(frame: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let head = frame::read(frame, limits)?.head;
        Ok(Self {
            affinity: (!head.has(frame::SELF_CONTAINED)).then_some(match head.stream {
                StreamName::Id(id) => frame::check(&id),
                StreamName::Handle(_, check) => check,
            }),
            epoch: head.epoch,
            sequence: head.sequence,
            decoded_len: head.decoded_len,
        })
    }
}

/// Appends a frame that asks for an answer and nothing else: a self-contained one of the empty message.
///
/// ```
/// use tracezip::{Decoder, Limits, put_probe};
///
/// let (mut probe, mut out) = (Vec::new(), Vec::new());
/// put_probe(&mut probe);
/// Decoder::new(1, Limits::default()).decode(0, &probe, &mut out)?;
/// assert!(out.is_empty());
/// # Ok::<(), tracezip::DecodeError>(())
/// ```
pub fn put_probe(out: &mut Vec<u8>) {
    let head = frame::Head {
        flags: frame::SELF_CONTAINED | frame::STORED,
        stream: StreamName::Handle(0, 0),
        epoch: 0,
        sequence: 0,
        base: 0,
        decoded_len: 0,
    };
    let streams = Streams {
        symbols: &[],
        bits: &[],
        text: &[],
    };
    frame::put(&head, &streams, 0, crate::hash::xxh3(&[]), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: Acknowledgement = Acknowledgement {
        instance: 0x0102_0304_0506_0708,
        handle: 300,
        epoch: 4,
        sequence: 5,
        state_lost: true,
    };

    #[test]
    fn answer_behind_other_fields_is_found() {
        // A partial success, a number, and what is not known.
        let mut response = b"\x0a\x04\x08\x01\x12\x00\x18\x05\x2112345678\x2d1234".to_vec();
        assert_eq!(find_answer(&response), None);
        put_answer(Some(&ANSWER), &mut response);
        assert_eq!(find_answer(&response), Some(Ok(Some(ANSWER))));
        response.extend_from_slice(b"\x18\x05");
        assert_eq!(find_answer(&response), Some(Ok(Some(ANSWER))));
    }

    #[test]
    fn response_that_is_cut_or_something_else_has_no_answer() {
        let mut response = Vec::new();
        put_answer(Some(&ANSWER), &mut response);
        for end in 0..response.len() {
            assert_eq!(find_answer(&response[..end]), None, "{end}");
        }
        for other in ["{}", "<html><body>OK</body></html>", "OK", "\u{7}\u{7}"] {
            assert_eq!(find_answer(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn answer_of_another_version_is_an_error() {
        let mut response = Vec::new();
        put_varint(KEY, &mut response);
        response.extend_from_slice(&[1, 0x20]);
        assert_eq!(
            find_answer(&response),
            Some(Err(DecodeError::Unsupported(0x20)))
        );
    }

    #[test]
    fn affinity_of_frames_by_id_and_by_handle_is_the_same() {
        let mut encoder = crate::Encoder::new([9; 16]);
        let mut decoder = crate::Decoder::new(1, Limits::default());
        for sequence in 1..4 {
            let (mut frame, mut out) = (Vec::new(), Vec::new());
            encoder.encode(b"any bytes", &mut frame);
            let head = FrameHead::read(&frame, &Limits::default()).unwrap();
            assert_eq!(head.affinity, Some(0x0909));
            assert_eq!(
                (head.epoch, head.sequence, head.decoded_len),
                (0, sequence, 9)
            );
            let decoded = decoder.decode(0, &frame, &mut out).unwrap();
            encoder.acknowledge(&decoded.answer.unwrap());
        }
    }
}
