//! A process ends: its ended spans are delivered, or counted, and it is gone within 2 s.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use otel_enhance_receiver::{BlockingReceiver, Faults, Receiver, Store};
use otel_enhance_tests::cases::{Program, Ran, Running, Side};
use rustix::process::{Pid, Signal, kill_process};

/// The promise. Ours keeps half a second of it for the scheduler.
const EXIT: Duration = Duration::from_secs(2);
const ARRIVAL: Duration = Duration::from_secs(20);
/// Spans that have ended when a program does.
const SPANS: usize = 3;

fn start(case: &str, receiver: &BlockingReceiver) -> Running {
    let mut program = Program::new(env!("CARGO_BIN_EXE_program"), case, Side::Ours);
    // This file is a module of another test as well.
    if module_path!().starts_with("performance") {
        program = program.env("TEST_PERFORMANCE", "1");
    }
    program
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            receiver.http_endpoint().unwrap(),
        )
        .start()
        .unwrap()
}

fn receiver() -> (Store, BlockingReceiver) {
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(store.clone())
        .start_blocking()
        .unwrap();
    (store, receiver)
}

/// A receiver that takes requests and never answers.
fn black_hole() -> BlockingReceiver {
    Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(Store::new())
        .with_hook(Faults::new().with_hang())
        .start_blocking()
        .unwrap()
}

/// Runs `case` against a receiver that works, and against one that hangs.
fn check(case: &str, act: impl Fn(&Running), verdict: impl Fn(&Ran)) {
    let (store, working) = receiver();
    let running = start(case, &working);
    running.wait_for("ready").unwrap();
    act(&running);
    let ran = running.finish().unwrap();
    verdict(&ran);
    store.wait_for_spans(SPANS, ARRIVAL).unwrap();
    assert_eq!(store.span_count(), SPANS, "{ran:?}");

    let hanging = black_hole();
    let running = start(case, &hanging);
    running.wait_for("ready").unwrap();
    act(&running);
    let ran = running.finish().unwrap();
    verdict(&ran);
    assert!(ran.took < EXIT, "{ran:?}");
    let counted = format!("{SPANS} of {SPANS} spans were dropped: {SPANS} shutdown_deadline");
    assert!(ran.stderr.contains(&counted), "{ran:?}");
}

fn nothing(_: &Running) {}

fn with_code(code: i32) -> impl Fn(&Ran) {
    move |ran| assert_eq!(ran.status.code(), Some(code), "{ran:?}")
}

fn by_signal(signal: Signal) -> impl Fn(&Ran) {
    // A shell shows it as 128 + signal.
    move |ran| assert_eq!(ran.status.signal(), Some(signal.as_raw()), "{ran:?}")
}

fn send(signal: Signal) -> impl Fn(&Running) {
    move |running| {
        let pid = Pid::from_raw(running.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

#[test]
fn main_returning_with_its_guard_delivers_or_counts() {
    check("return_from_main", nothing, with_code(0));
}

#[test]
fn main_returning_with_the_guard_in_a_static_delivers_or_counts() {
    check("guard_in_static", nothing, with_code(0));
}

#[test]
fn process_exit_delivers_or_counts_and_keeps_the_code() {
    check("exit", nothing, with_code(7));
}

#[test]
fn process_exit_on_another_thread_delivers_or_counts() {
    check("exit_on_another_thread", nothing, with_code(7));
}

#[test]
fn panic_in_main_delivers_or_counts() {
    check("panic_in_main", nothing, with_code(101));
}

#[test]
fn sigterm_with_the_handler_delivers_or_counts_and_ends_by_the_signal() {
    check("signal", send(Signal::TERM), by_signal(Signal::TERM));
}

#[test]
fn sigint_with_the_handler_delivers_or_counts_and_ends_by_the_signal() {
    check("signal", send(Signal::INT), by_signal(Signal::INT));
}

#[test]
fn sigterm_with_a_handler_of_the_application_leaves_the_end_to_it() {
    let (store, receiver) = receiver();
    let running = start("signal_with_own_handler", &receiver);
    running.wait_for("ready").unwrap();
    send(Signal::TERM)(&running);
    let ran = running.finish().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert_eq!(ran.fact("own_handler_ended"), "true");
    store.wait_for_spans(SPANS, ARRIVAL).unwrap();
}

#[test]
fn fork_with_both_processes_exiting_delivers_the_parents_spans_once() {
    let (store, working) = receiver();
    let running = start("fork_both_exit", &working);
    let ran = running.finish().unwrap();
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    assert_eq!(ran.fact("child.code"), "0", "{ran:?}");
    store.wait_for_spans(SPANS + 1, ARRIVAL).unwrap();
    assert_eq!(
        store.span_count(),
        SPANS + 1,
        "the child's span is none of them"
    );

    let ran = start("fork_both_exit", &black_hole()).finish().unwrap();
    assert!(ran.took < EXIT, "{ran:?}");
}

#[test]
fn second_install_while_a_guard_lives_is_an_error_and_after_shutdown_allowed() {
    let (store, receiver) = receiver();
    let ran = start("second_install", &receiver).finish().unwrap();
    assert!(ran.fact("second").contains("installed already"), "{ran:?}");
    store.wait_for_spans(2 * SPANS, ARRIVAL).unwrap();
}

#[test]
fn shutdown_from_many_threads_at_once_and_again_is_harmless() {
    let (store, receiver) = receiver();
    let ran = start("many_shutdowns", &receiver).finish().unwrap();
    assert_eq!(ran.fact("all_well"), "true", "{ran:?}");
    assert_eq!(ran.fact("again"), "true", "{ran:?}");
    assert_eq!(ran.number("exported"), SPANS as u64);
    assert_eq!(store.span_count(), SPANS);
}

#[test]
fn sdk_disabled_records_nothing_and_propagates() {
    let ran = Program::new(env!("CARGO_BIN_EXE_program"), "disabled", Side::Ours)
        .env("OTEL_SDK_DISABLED", "true")
        .run()
        .unwrap();
    assert_eq!(ran.fact("recording"), "false", "{ran:?}");
    assert_eq!(ran.number("ended"), 0);
    assert!(ran.fact("propagated").contains("traceparent"), "{ran:?}");
    assert!(ran.fact("propagated").contains("baggage"), "{ran:?}");
    assert_eq!(
        (ran.fact("flushed"), ran.fact("shut_down")),
        ("true", "true")
    );
}

#[test]
fn exporter_that_blocks_its_thread_holds_up_neither_flush_nor_shutdown() {
    let ran = Program::new(
        env!("CARGO_BIN_EXE_program"),
        "blocking_exporter",
        Side::Ours,
    )
    .run()
    .unwrap();
    assert_eq!(
        (ran.fact("flushed"), ran.fact("shut_down")),
        ("false", "false")
    );
    assert_eq!(ran.number("ended"), SPANS as u64);
    assert_eq!(ran.number("shutdown_deadline"), SPANS as u64, "{ran:?}");
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn guard_dropped_inside_and_outside_of_every_kind_of_runtime_delivers() {
    let (store, receiver) = receiver();
    let ran = start("every_runtime", &receiver).finish().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(store.span_count(), 5 * SPANS, "{ran:?}");
}

#[test]
fn spans_ending_while_the_queue_overflows_and_closes_are_all_in_the_books() {
    let ran = Program::new(env!("CARGO_BIN_EXE_program"), "books", Side::Ours)
        .run()
        .unwrap();
    assert_eq!(ran.fact("shut_down"), "true", "{ran:?}");
    assert_eq!(ran.number("exported"), ran.number("received"), "{ran:?}");
    assert_eq!(
        ran.number("ended"),
        ran.number("exported") + ran.number("dropped"),
        "{ran:?}"
    );
    assert_eq!(ran.number("unfinished"), 0, "{ran:?}");
}
