//! What the shop's requests weigh on the wire, in several forms.

use std::error::Error;
use std::time::Duration;

use otel_enhance_receiver::{Receiver, Store};
use tracezip::{Decoder, Encoder, Limits};

use crate::storefront;

/// So many times each order, for a stream learns what spans have in common.
const REPETITIONS: usize = 150;
/// A span's own id, its trace's, and its parent's are random bytes; nothing makes them smaller.
const SPAN_ID_BYTES: usize = 8;

/// Runs a busy shop and weighs what its exporters sent.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(store.clone())
        .start_blocking()?;
    let endpoint = receiver
        .http_endpoint()
        .ok_or("the receiver has no HTTP address")?;
    println!("a busy shop exports to {endpoint} ...");
    storefront::busy(endpoint, REPETITIONS)?;
    receiver.shutdown(Duration::from_secs(2))?;

    let (mut spans, mut otlp, mut zstd, mut frames) = (0, 0, 0, 0);
    // As a gateway with --compress-to does it: one stream, each request a frame, and each frame answered.
    let mut encoder = Encoder::new(rand_id());
    let mut decoder = Decoder::new(1, Limits::default());
    let requests = store.requests();
    for request in &requests {
        let (mut frame, mut restored) = (Vec::new(), Vec::new());
        encoder.encode(&request.body, &mut frame);
        let decoded = decoder.decode(0, &frame, &mut restored)?;
        if restored != request.body {
            return Err("a request was not restored as it was".into());
        }
        if let Some(answer) = decoded.answer {
            encoder.acknowledge(&answer);
        }
        spans += request.span_count();
        otlp += request.body.len();
        zstd += zstd::bulk::compress(&request.body, 3)?.len();
        frames += frame.len();
    }
    if spans == 0 {
        return Err("no spans arrived".into());
    }
    let each = |bytes: usize| bytes as f64 / spans as f64;
    println!(
        "\n{spans} spans of two services in {} requests, in bytes a span:\n",
        requests.len()
    );
    println!("  OTLP          {:6.1}", each(otlp));
    println!("  OTLP + zstd   {:6.1}", each(zstd));
    println!(
        "  tracezip      {:6.1}   {:.1} times fewer, restored byte for byte",
        each(frames),
        zstd as f64 / frames as f64
    );
    println!(
        "\nOf each, {SPAN_ID_BYTES} are the span's own random id, which nothing makes smaller."
    );
    println!(
        "Any SDK's spans travel like this between two gateways: otel-enhance-gateway --compress-to URL"
    );
    Ok(())
}

/// A stream's name: random in earnest, and here as random as the hasher's keys.
fn rand_id() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    let half = |seed: u64| RandomState::new().hash_one(seed).to_le_bytes();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&half(0));
    id[8..].copy_from_slice(&half(1));
    id
}
