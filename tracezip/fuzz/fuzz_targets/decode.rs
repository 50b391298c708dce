//! Any frames, one after the other: no panic, and what fails leaves nothing behind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracezip::{Decoder, Limits};

fuzz_target!(|frames: Vec<&[u8]>| {
    let limits = Limits::default().with_decoded_bytes(1 << 20);
    let mut decoder = Decoder::new(1, limits);
    let mut out = Vec::new();
    for frame in frames {
        let (len, size) = (out.len(), decoder.state_bytes());
        if decoder.decode(0, frame, &mut out).is_err() {
            assert_eq!((out.len(), decoder.state_bytes()), (len, size));
        }
        assert!(decoder.state_bytes() <= 2 << 20);
        // With the head of a frame that stands for itself, more of them get beyond it.
        let contained: Vec<u8> = [7, 0x11].iter().chain(frame).copied().collect();
        let _ = decoder.decode(0, &contained, &mut out);
        out.clear();
    }
});
