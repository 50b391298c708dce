//! Any requests in a stream, to one receiver or two: they come back, whatever becomes of the answers.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tracezip::{DecodeError, Decoder, Encoder, IdKey, Limits};

#[derive(Debug, Arbitrary)]
struct Stream<'a> {
    key: Option<u8>,
    fleet: bool,
    self_contained: bool,
    messages: Vec<(&'a [u8], Fate)>,
}

/// What becomes of a message and its answer.
#[derive(Debug, Arbitrary)]
enum Fate {
    Answered,
    /// The answer comes after that of the next one.
    AnsweredLate,
    /// The frame comes twice, and both are answered.
    Repeated,
    /// The answer is lost.
    Unanswered,
    /// The sender is told so.
    GivenUp,
    /// The frame does not arrive.
    Lost,
    /// The receiver begins anew before it.
    ReceiverAnew,
    /// It goes to another receiver.
    Elsewhere,
    /// Ids have another key from here on.
    KeyChanges(u8),
}

fuzz_target!(|stream: Stream<'_>| {
    let key = |byte: u8| match stream.fleet {
        true => IdKey::of_fleet([byte; 32]),
        false => IdKey::of_process([byte; 32]),
    };
    let mut encoder = Encoder::new([1; 16]).with_self_contained(stream.self_contained);
    let mut keys: Vec<IdKey> = stream.key.map(key).into_iter().collect();
    encoder.set_id_keys(&keys);
    let mut instances = 2;
    let mut receivers = [1, 2].map(|instance| Decoder::new(instance, Limits::default()));
    let mut late = VecDeque::new();
    let (mut frame, mut out) = (Vec::new(), Vec::new());
    for (request, fate) in &stream.messages {
        match fate {
            Fate::ReceiverAnew => {
                instances += 1;
                receivers[0] = Decoder::new(instances, Limits::default());
            }
            Fate::KeyChanges(byte) => {
                keys.insert(0, key(*byte));
                encoder.set_id_keys(&keys);
            }
            _ => {}
        }
        let receiver = &mut receivers[usize::from(matches!(fate, Fate::Elsewhere))];
        // After lost state it is encoded anew, on nothing.
        for attempt in 0..2 {
            frame.clear();
            let sequence = encoder.encode(request, &mut frame).sequence;
            if matches!(fate, Fate::Lost) {
                break;
            }
            let times = 1 + usize::from(matches!(fate, Fate::Repeated));
            let mut lost = false;
            for _ in 0..times {
                out.clear();
                match receiver.decode(0, &frame, &mut out) {
                    Ok(decoded) => {
                        assert_eq!(out, *request);
                        match fate {
                            Fate::Unanswered => {}
                            Fate::GivenUp => encoder.lose(sequence),
                            Fate::AnsweredLate => late.extend(decoded.answer),
                            _ => {
                                if let Some(answer) = decoded.answer {
                                    encoder.acknowledge(&answer);
                                }
                            }
                        }
                    }
                    Err(DecodeError::StateLost) if attempt == 0 => {
                        let refusal = receiver.refusal(&frame).expect("a frame of a stream");
                        encoder.acknowledge(&refusal);
                        lost = true;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            if !lost {
                break;
            }
        }
        if !matches!(fate, Fate::AnsweredLate) {
            for answer in late.drain(..) {
                encoder.acknowledge(&answer);
            }
        }
    }
});
