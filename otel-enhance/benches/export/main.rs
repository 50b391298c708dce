//! What it takes to bring ended spans to a receiver: the official exporters behind the official
//! `BatchSpanProcessor`, and ours behind the queue of `performance`.
//!
//! `cargo bench -p otel-enhance --features performance,otlp-grpc --bench export` starts itself as a
//! receiver that reads requests, does not parse them, and answers after a latency; and as one sender per
//! measurement. Where there are two cores, the receiver has one for itself and the sender the rest. Two
//! tables:
//!
//! - the CPU time of all threads of the sender but the one that makes spans, per span, at a rate that
//!   everybody sustains, in rounds that take turns; ratios are those within a round;
//! - the highest rate at which nothing is dropped, for receivers that take 0, 10 and 100 ms, with the
//!   resident memory at that rate.
//!
//! Spans have 8 attributes, two of them strings of their own. The official exporter over HTTP has our HTTP
//! client, for it is lighter than reqwest. `official*` is the official processor with our bounds instead of
//! its own (a queue of 65,536 spans, batches of 8192). `ours` is the queue and the exporter of `performance`,
//! to which ended spans are given as to the official processor; `spans` is a whole pipeline of `performance`,
//! of which spans are made. Options behind `--`: `--rounds N` (default 10), `--seconds S` of each measurement
//! (default 1.5), `--cpu-only` for the first table alone, `--collector PATH` to send to a Collector, which parses what it gets, `--check` for a
//! self-test.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark is a program that prints, and that stops at what it does not expect"
)]

mod driver;
mod process;
mod receiver;
mod remote;
mod sender;
#[path = "../span/stats.rs"]
mod stats;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--receiver") => receiver::run(),
        Some("--sender") => sender::run(&arguments[1..]),
        _ => driver::run(&arguments),
    }
}
