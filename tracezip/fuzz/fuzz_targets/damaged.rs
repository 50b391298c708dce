//! Frames that were damaged on their way, each before the one that it should have been: no panic, and the receiver is
//! none the worse for them.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tracezip::{Decoder, Encoder, IdKey, Limits};

#[derive(Debug, Arbitrary)]
struct Stream<'a> {
    has_key: bool,
    messages: Vec<Message<'a>>,
}

#[derive(Debug, Arbitrary)]
struct Message<'a> {
    request: &'a [u8],
    answered: bool,
    damage: [Damage; 2],
}

#[derive(Debug, Arbitrary)]
enum Damage {
    None,
    /// From the beginning, where most of what a frame says of itself is.
    Head(u8, u8),
    Anywhere(u16, u8),
    Cut(u16),
    Inserted(u16, u8),
    /// The end of the frame before this one.
    Spliced(u16),
}

fn damage(frame: &mut Vec<u8>, before: &[u8], damage: &Damage) {
    let len = frame.len().max(1);
    match *damage {
        Damage::None => {}
        Damage::Head(at, bits) => frame[usize::from(at) % len.min(24)] ^= bits,
        Damage::Anywhere(at, bits) => frame[usize::from(at) % len] ^= bits,
        Damage::Cut(at) => frame.truncate(usize::from(at) % len),
        Damage::Inserted(at, byte) => frame.insert(usize::from(at) % len, byte),
        Damage::Spliced(at) => {
            let at = usize::from(at) % len;
            frame.truncate(at);
            frame.extend_from_slice(before.get(at..).unwrap_or_default());
        }
    }
    if frame.is_empty() {
        frame.push(7);
    }
}

fuzz_target!(|stream: Stream<'_>| {
    let mut encoder = Encoder::new([1; 16]);
    if stream.has_key {
        encoder.set_id_keys(&[IdKey::of_process([7; 32])]);
    }
    let mut decoder = Decoder::new(1, Limits::default().with_decoded_bytes(1 << 20));
    let (mut out, mut before, mut last) = (Vec::new(), Vec::new(), &[][..]);
    for message in &stream.messages {
        let mut frame = Vec::new();
        encoder.encode(message.request, &mut frame);
        let mut damaged = frame.clone();
        for one in &message.damage {
            damage(&mut damaged, &before, one);
        }
        if damaged != frame {
            let state = decoder.state_bytes();
            if decoder.decode(0, &damaged, &mut out).is_ok() {
                // Heads are not hashed: it may be a frame of another stream or epoch now, or the one before again. What
                // it says is what one of the two said.
                assert!(out == message.request || out == last);
                return;
            }
            assert_eq!((out.len(), decoder.state_bytes()), (0, state));
        }
        let decoded = decoder
            .decode(0, &frame, &mut out)
            .expect("a frame of ours");
        assert_eq!(out, message.request);
        if let Some(answer) = decoded.answer
            && message.answered
        {
            encoder.acknowledge(&answer);
        }
        out.clear();
        before = frame;
        last = message.request;
    }
});
