//! What tracezip saves: a receiver that speaks it, a service that exports to it, and the figures of both.
//!
//! `cargo run -p otel-enhance-examples --example tracezip`. With an argument, spans go to that endpoint instead: to one
//! that does not speak tracezip they go as OTLP, and the figures say so.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use otel_enhance::{enhanced_trace, init};
use otel_enhance_receiver::{Receiver, Store, Tracezip};

#[enhanced_trace(kind = "server", capture(order))]
fn checkout(order: u64) -> u64 {
    reserve(order % 17) + pay(order * 100)
}

#[enhanced_trace(capture(item))]
fn reserve(item: u64) -> u64 {
    item
}

#[enhanced_trace(kind = "client", capture(cents))]
fn pay(cents: u64) -> u64 {
    cents
}

fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(store.clone())
        .with_tracezip(Tracezip::default())
        .start_blocking()?;
    let ours = receiver.http_endpoint().unwrap_or_default().to_owned();
    let endpoint = std::env::args().nth(1).unwrap_or(ours);

    let guard = init!(service = "shop", tracezip(endpoint = endpoint))?;
    for order in 0..2_000 {
        checkout(order);
        if order % 200 == 199 {
            guard.force_flush()?;
        }
    }
    guard.shutdown()?;

    let spans = guard.delivery().exported;
    let stats = guard.tracezip().ok_or("asked for above")?.stats();
    println!(
        "{spans} spans in {} frames and {} requests of OTLP; the receiver here has {}",
        stats.frames,
        stats.otlp_requests,
        store.span_count()
    );
    if stats.frames > 0 {
        println!(
            "{:.1} bytes a span instead of {:.1}: {:.0} times fewer",
            stats.frame_bytes as f64 / spans as f64,
            stats.otlp_bytes as f64 / spans as f64,
            stats.ratio()
        );
    }
    Ok(())
}
