//! Every row of the trap table in DESIGN.md §3: what the plain SDK does, where that can be shown safely,
//! and what a pipeline of ours does instead. The programs are in `src/bin/program`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use otel_enhance_receiver::ContentType;
use otel_enhance_tests::cases::{Inbox, Program, Ran, Running, Side};
use rustix::process::{Pid, Signal, kill_process};

/// However busy the machine is, spans that were sent have arrived by then.
const ARRIVAL: Duration = Duration::from_secs(20);

fn program(case: &str, side: Side) -> Program {
    Program::new(env!("CARGO_BIN_EXE_program"), case, side)
}

fn run(program: Program) -> Ran {
    program.run().unwrap()
}

/// A case that needs nothing from outside.
fn alone(case: &str, side: Side) -> Ran {
    run(program(case, side))
}

fn terminate(running: &Running) {
    let pid = Pid::from_raw(running.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

#[test]
fn bsp_queue_huge() {
    let variable = "OTEL_BSP_MAX_QUEUE_SIZE";
    let plain = |size: &str| run(program("bsp_queue_huge", Side::Plain).env(variable, size));
    assert_eq!(plain(&usize::MAX.to_string()).fact("panicked"), "true");
    assert_eq!(plain("0").number("exported"), 0);
    // The sizes between are not safe to show: they take the machine's memory.
    for size in [
        "0",
        "10000000",
        "1000000000",
        "18446744073709551615",
        "99999999999999999999999",
        "many",
    ] {
        let ours = run(program("bsp_queue_huge", Side::Ours).env(variable, size));
        assert_eq!(ours.number("exported"), 10, "{size}: {ours:?}");
        assert_eq!(ours.fact("diagnostics"), variable, "{size}: {ours:?}");
        assert!(
            ours.number("peak_memory_kib") < 512 << 10,
            "{size}: {ours:?}"
        );
    }
}

#[test]
fn bsp_delay_zero() {
    let variable = "OTEL_BSP_SCHEDULE_DELAY";
    let plain = run(program("bsp_delay_zero", Side::Plain).env(variable, "0"));
    assert!(plain.number("idle_cpu_ticks") >= 30, "{plain:?}");
    let ours = run(program("bsp_delay_zero", Side::Ours).env(variable, "0"));
    assert!(ours.number("idle_cpu_ticks") < 20, "{ours:?}");
    assert_eq!(ours.fact("diagnostics"), variable);
    assert_eq!(ours.number("exported"), 1);
}

#[test]
fn invalid_limits() {
    let with = |side| {
        run(program("invalid_limits", side)
            .env("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")
            .env("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3"))
    };
    let plain = with(Side::Plain);
    assert_eq!(plain.fact("attributes"), "text:abcdef,twice:1,twice:2");
    assert_eq!(plain.stderr, "", "nobody is told");
    let ours = with(Side::Ours);
    assert_eq!(ours.fact("attributes"), "text:abc,twice:2");
    assert_eq!(ours.fact("diagnostics"), "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT");
    assert!(
        ours.stderr
            .contains("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT is `many`"),
        "{ours:?}"
    );
}

#[test]
fn fork() {
    let plain = alone("fork", Side::Plain);
    assert_eq!(plain.fact("child.id"), plain.fact("parent.id"));
    assert_eq!(plain.fact("child.shutdown_failed"), "true");
    assert!(plain.number("child.blocked_ms") >= 500, "{plain:?}");

    let http = Inbox::http().unwrap();
    let ours = run(program("fork", Side::Ours).sending_to(&http));
    assert_eq!(ours.fact("child.code"), "0", "{ours:?}");
    assert_ne!(ours.fact("child.id"), ours.fact("parent.id"));
    assert!(ours.number("child.blocked_ms") < 500, "{ours:?}");
    assert_eq!(ours.number("child.ended"), 1);
    assert_eq!(ours.number("child.forked"), 1);
    assert_eq!(ours.number("child.exported"), 1);
    let calls = (ours.number("parent.calls"), ours.number("child.calls"));
    assert_eq!(calls, (3, 0), "RED metrics are the parent's");
    assert_eq!((ours.number("ended"), ours.number("exported")), (3, 3));
    // Each once: three of the parent, one of the child's own pipeline.
    http.store.wait_for_spans(4, ARRIVAL).unwrap();
    assert_eq!(http.store.span_count(), 4);
}

#[test]
fn process_exit() {
    let grpc = Inbox::grpc().unwrap();
    let plain = run(program("process_exit", Side::Plain).sending_to(&grpc));
    assert_eq!(plain.status.code(), Some(7), "{plain:?}");
    assert_eq!(grpc.store.span_count(), 0);

    let http = Inbox::http().unwrap();
    let ours = run(program("process_exit", Side::Ours).sending_to(&http));
    assert_eq!(ours.status.code(), Some(7), "{ours:?}");
    http.store.wait_for_spans(1, ARRIVAL).unwrap();
}

#[test]
fn sigterm() {
    let grpc = Inbox::grpc().unwrap();
    let plain = program("sigterm", Side::Plain)
        .sending_to(&grpc)
        .start()
        .unwrap();
    plain.wait_for("ready").unwrap();
    terminate(&plain);
    plain.finish().unwrap();
    assert_eq!(grpc.store.span_count(), 0);

    let http = Inbox::http().unwrap();
    let ours = program("sigterm", Side::Ours)
        .sending_to(&http)
        .start()
        .unwrap();
    ours.wait_for("ready").unwrap();
    terminate(&ours);
    ours.finish().unwrap();
    http.store.wait_for_spans(1, ARRIVAL).unwrap();
}

#[test]
fn after_shutdown() {
    let plain = alone("after_shutdown", Side::Plain);
    assert_eq!(plain.number("exported"), 2);
    assert_eq!(plain.stderr, "", "nobody is told");
    let ours = alone("after_shutdown", Side::Ours);
    assert_eq!(
        (ours.number("ended"), ours.number("exported")),
        (3, 2),
        "{ours:?}"
    );
    assert_eq!(ours.number("after_shutdown"), 1);
    assert_eq!(ours.number("unfinished"), 0);
}

#[test]
fn global_restore_depth() {
    let plain = alone("global_restore_depth", Side::Plain);
    let growth = plain.number("depth_often") - plain.number("depth_once");
    assert!(growth > 0, "{plain:?}");
    let ours = alone("global_restore_depth", Side::Ours);
    assert_eq!(
        ours.number("depth_often"),
        ours.number("depth_once"),
        "{ours:?}"
    );
    assert_eq!(ours.fact("old_one_is_back"), "false", "{ours:?}");
}

#[test]
fn resource_percent_decoding() {
    let with = |side| {
        run(program("resource_percent_decoding", side)
            .env("OTEL_RESOURCE_ATTRIBUTES", "team=green%20apples"))
    };
    assert_eq!(with(Side::Plain).fact("team"), "green%20apples");
    assert_eq!(with(Side::Ours).fact("team"), "green apples");
}

#[test]
fn invalid_endpoint() {
    let with = |side| {
        run(program("invalid_endpoint", side)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://not a url"))
    };
    assert_eq!(with(Side::Plain).fact("built"), "false");
    let ours = with(Side::Ours);
    assert_eq!(ours.fact("built"), "true", "{ours:?}");
    assert_eq!(ours.fact("diagnostics"), "OTEL_EXPORTER_OTLP_ENDPOINT");
}

#[test]
fn exporter_panics() {
    let plain = alone("exporter_panics", Side::Plain);
    assert_eq!(plain.fact("second_flush_failed"), "true", "{plain:?}");
    assert_eq!(plain.number("exported"), 0);
    let ours = alone("exporter_panics", Side::Ours);
    assert_eq!(ours.number("exported"), 2, "{ours:?}");
    assert_eq!(ours.number("exporter_failed"), 1);
    assert_eq!(ours.number("ended"), 3);
}

#[test]
fn env_headers_override() {
    let variable = "OTEL_EXPORTER_OTLP_HEADERS";
    let value = "x-team=env,x-zone=env";
    let plain = run(program("env_headers_override", Side::Plain).env(variable, value));
    assert_eq!(plain.fact("header.x-team"), "env", "{plain:?}");

    let http = Inbox::http().unwrap();
    let ours = run(program("env_headers_override", Side::Ours)
        .sending_to(&http)
        .env(variable, value));
    assert_eq!(ours.number("exported"), 1, "{ours:?}");
    let requests = http.store.wait_for_requests(1, ARRIVAL).unwrap();
    assert_eq!(requests[0].head.header("x-team"), Some("code"));
    assert_eq!(requests[0].head.header("x-zone"), Some("env"));
}

#[test]
fn protocol_env_with_http() {
    let variable = "OTEL_EXPORTER_OTLP_PROTOCOL";
    let plain = run(program("protocol_env_with_http", Side::Plain).env(variable, "grpc"));
    assert_eq!(plain.fact("built"), "false", "{plain:?}");

    let http = Inbox::http().unwrap();
    let ours = run(program("protocol_env_with_http", Side::Ours)
        .sending_to(&http)
        .env(variable, "grpc"));
    assert_eq!(ours.number("exported"), 1, "{ours:?}");
    let requests = http.store.wait_for_requests(1, ARRIVAL).unwrap();
    assert_eq!(requests[0].content_type, ContentType::Protobuf);
}

#[test]
fn endpoint_path() {
    assert_eq!(alone("endpoint_path", Side::Plain).fact("path"), "/");
    let http = Inbox::http().unwrap();
    let ours = run(program("endpoint_path", Side::Ours).env("PROGRAM_ENDPOINT", http.endpoint()));
    assert_eq!(ours.number("exported"), 1, "{ours:?}");
    // The receiver knows `/v1/traces` alone.
    http.store.wait_for_spans(1, ARRIVAL).unwrap();
}

#[test]
fn grpc_outside_runtime() {
    let grpc = Inbox::grpc().unwrap();
    let plain = run(program("grpc_outside_runtime", Side::Plain).sending_to(&grpc));
    assert_eq!(plain.fact("panicked"), "true", "{plain:?}");
    let ours = run(program("grpc_outside_runtime", Side::Ours).sending_to(&grpc));
    assert_eq!(ours.number("exported"), 3, "{ours:?}");

    let plain = run(program("grpc_runtime_dropped", Side::Plain).sending_to(&grpc));
    assert_eq!(plain.fact("flush_failed"), "true", "{plain:?}");
    let ours = run(program("grpc_runtime_dropped", Side::Ours).sending_to(&grpc));
    assert_eq!(ours.number("exported"), 3, "{ours:?}");
    assert_eq!(grpc.store.span_count(), 6);
}

#[test]
fn current_thread_shutdown() {
    let grpc = Inbox::grpc().unwrap();
    let plain = run(program("current_thread_shutdown", Side::Plain).sending_to(&grpc));
    assert_eq!(plain.fact("shutdown_failed"), "true", "{plain:?}");
    assert!(plain.number("blocked_ms") >= 500, "{plain:?}");
    assert_eq!(grpc.store.span_count(), 0);
    let ours = run(program("current_thread_shutdown", Side::Ours).sending_to(&grpc));
    assert_eq!(ours.number("exported"), 3, "{ours:?}");
    assert_eq!(grpc.store.span_count(), 3);
}
