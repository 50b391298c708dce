//! A program under test: it makes spans, exports them as the environment says, and writes down
//! what it made and what became of it, for a test to compare with what arrived.
//!
//! Usage: `interop_sender RECORD [COUNT PAUSE_MICROSECONDS]`: every kind of span once, or `COUNT`
//! spans with a pause after each. With the variable `INTEROP_SIMD`, its requests are written by `simd`; with
//! `INTEROP_TRACEZIP` they are frames of `tracezip`, and what came of them is said on stderr.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::thread;
use std::time::Duration;

use otel_enhance::opentelemetry::trace::{Span as _, SpanContext, TraceContextExt, Tracer};
use otel_enhance::opentelemetry::{Array, StringValue, Value};
use otel_enhance::{Context, KeyValue, enhanced_trace, global, new_enhanced_pipeline};
use otel_enhance_tests::sender::{Record, Recorder};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("the file to write is not given")?;
    let recorder = Recorder::default();
    let guard = new_enhanced_pipeline()
        .with_service_name("interop-sender")
        .with_span_processor(recorder.clone())
        .with_simd_optimization(std::env::var_os("INTEROP_SIMD").is_some())
        .with_tracezip_compression(std::env::var_os("INTEROP_TRACEZIP").is_some())
        .install_batch()?;
    match arguments.next() {
        None => everything(),
        Some(count) => {
            let pause = arguments.next().ok_or("the pause is not given")?;
            let pause = Duration::from_micros(pause.parse()?);
            for number in 0..count.parse()? {
                steady(number);
                thread::sleep(pause);
            }
        }
    }
    // Whoever was stopped meanwhile gets time to come back.
    guard.shutdown_with_timeout(Duration::from_secs(20)).ok();
    if let Some(tracezip) = guard.tracezip() {
        writeln!(std::io::stderr(), "{:?}", tracezip.stats())?;
    }
    let record = Record::new(recorder.take(), guard.resource(), &guard.delivery());
    serde_json::to_writer(BufWriter::new(File::create(path)?), &record)?;
    Ok(())
}

#[enhanced_trace(capture(number))]
fn steady(number: u64) {}

/// More spans than two batches hold, of every shape that OTLP has a field for.
#[enhanced_trace(kind = "server", root, fields(outcome = "fine"))]
fn everything() {
    let active = Context::current();
    active.span().add_event(
        "half time",
        vec![KeyValue::new("score", "2:1"), KeyValue::new("minute", 45)],
    );
    attributes(
        "grüß \"dich\"\n\u{1F600}",
        i64::MIN,
        f64::MAX,
        true,
        Some(7),
        None,
    );
    arrays();
    fails(&[]).ok();
    linked(vec![active.span().span_context().clone()]);
    by_hand();
    for number in 0..1200 {
        many(number);
    }
}

#[enhanced_trace(kind = "client", capture(text, least, most, flag, some, nothing))]
fn attributes(
    text: &str,
    least: i64,
    most: f64,
    flag: bool,
    some: Option<i64>,
    nothing: Option<i64>,
) {
}

#[enhanced_trace(kind = "producer")]
fn arrays() {
    let context = Context::current();
    let span = context.span();
    span.set_attribute(KeyValue::new(
        "booleans",
        Value::Array(Array::Bool(vec![true, false])),
    ));
    span.set_attribute(KeyValue::new(
        "integers",
        Value::Array(Array::I64(vec![1, -1, i64::MAX])),
    ));
    span.set_attribute(KeyValue::new(
        "floats",
        Value::Array(Array::F64(vec![0.5, -0.0])),
    ));
    let strings = vec![StringValue::from("a"), StringValue::from("")];
    span.set_attribute(KeyValue::new(
        "strings",
        Value::Array(Array::String(strings)),
    ));
}

#[enhanced_trace(err)]
fn fails(digits: &[u8]) -> Result<u64, std::num::ParseIntError> {
    String::from_utf8_lossy(digits).parse()
}

#[enhanced_trace(kind = "consumer", links = links)]
fn linked(links: Vec<SpanContext>) {}

/// The official API alone, under a span of ours.
#[enhanced_trace]
fn by_hand() {
    let tracer = global::tracer("by-hand");
    let mut span = tracer.start("official");
    span.set_attribute(KeyValue::new("official", true));
    span.end();
}

#[enhanced_trace(capture(number))]
fn many(number: u64) {}
