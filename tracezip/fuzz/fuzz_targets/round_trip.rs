//! Any requests in a stream, answered or not: they come back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracezip::{Decoder, Encoder, Limits};

fuzz_target!(|requests: Vec<(&[u8], bool)>| {
    let mut encoder = Encoder::new([1; 16]);
    let mut decoder = Decoder::new(1, Limits::default());
    let (mut frame, mut out) = (Vec::new(), Vec::new());
    for (request, answered) in requests {
        frame.clear();
        out.clear();
        encoder.encode(request, &mut frame);
        let decoded = decoder.decode(0, &frame, &mut out).expect("a frame of ours");
        assert_eq!(out, request);
        if let Some(answer) = decoded.answer
            && answered
        {
            encoder.acknowledge(&answer);
        }
    }
});
