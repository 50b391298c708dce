//! What a span costs its caller: `#[enhanced_trace]` beside the official SDK by hand, tracing with
//! tracing-opentelemetry, and fastrace.
//!
//! `cargo bench -p otel-enhance --bench span` starts itself as one process per implementation and
//! global state (a provider that samples, one that does not, one that does not under a parent that is not
//! sampled either, none), takes turns between them for
//! 20 rounds, and prints a line per case. Ratios are medians of the rounds' own ratios, so that a
//! busy machine disturbs both sides alike. Options behind `--`:
//!
//! - `--rounds N` (default 20), `--case NAME`, `--impl NAME`: a shorter run.
//! - `--no-instructions`: leave valgrind out.
//! - `--strict`: fail if a limit of the project is missed.
//! - `--whole-only`, first: only what the whole process spends, exporting threads included (`whole.rs`,
//!   with `performance`).
//! - `--check`: the self-test of the harness: one short round; every case must make the spans it says.
//!
//! `floor` is no implementation, but what none can be below: the official `Context` with a span that does nothing,
//! and two readings of the tick counter.
//!
//! All implementations call a function that is not inlined and adds 1, around which the span is; all
//! SDK providers have the same processor, which drops what it gets.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark is a program that prints, and that stops at what it does not expect"
)]

mod by_hand;
mod driver;
mod enhanced;
mod fastrace_spans;
mod floor;
mod limits;
mod plain;
mod stats;
mod tracing_spans;
#[cfg(all(feature = "performance", feature = "otlp-http"))]
mod whole;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--worker") {
        worker::run(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    #[cfg(all(feature = "performance", feature = "otlp-http"))]
    match arguments.first().map(String::as_str) {
        Some("--whole") => {
            whole::work(&arguments[1..]);
            return ExitCode::SUCCESS;
        }
        Some("--whole-only") => return whole::run(&arguments),
        _ => {}
    }
    let spans = driver::run(&arguments);
    #[cfg(all(feature = "performance", feature = "otlp-http"))]
    if !arguments.iter().any(|argument| argument == "--check") {
        let whole = whole::run(&arguments);
        return if spans == ExitCode::SUCCESS {
            whole
        } else {
            spans
        };
    }
    spans
}
