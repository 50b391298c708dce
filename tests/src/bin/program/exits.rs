//! The ends of a process, with ended spans in the queue. The receiver may be one that never answers.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use otel_enhance::{TelemetryGuard, global};

use crate::common::{Case, Counting, Outcome, end_spans, fact, new_enhanced_pipeline, report};
use crate::traps::wait_for_a_signal;
use crate::unix::{self, Forked};

const LONG: Duration = Duration::from_secs(3600);
/// Spans that have ended when the process does.
const SPANS: usize = 3;

pub(crate) fn plain(_: &str) -> Option<Case> {
    None
}

pub(crate) fn ours(name: &str) -> Option<Case> {
    Some(match name {
        "return_from_main" => return_from_main,
        "guard_in_static" => guard_in_static,
        "exit" => exit,
        "exit_on_another_thread" => exit_on_another_thread,
        "panic_in_main" => panic_in_main,
        "fork_both_exit" => fork_both_exit,
        "signal" => signal,
        "signal_with_own_handler" => signal_with_own_handler,
        "second_install" => second_install,
        "many_shutdowns" => many_shutdowns,
        "disabled" => disabled,
        "blocking_exporter" => blocking_exporter,
        "every_runtime" => every_runtime,
        "books" => books,
        _ => return None,
    })
}

fn installed() -> Result<TelemetryGuard, Box<dyn std::error::Error>> {
    let guard = new_enhanced_pipeline()
        .with_scheduled_delay(LONG)
        .install_batch()?;
    end_spans(&global::tracer_provider(), SPANS);
    println!("ready");
    Ok(guard)
}

fn return_from_main() -> Outcome {
    let _guard = installed()?;
    Ok(())
}

fn guard_in_static() -> Outcome {
    static GUARD: OnceLock<TelemetryGuard> = OnceLock::new();
    let guard = installed()?;
    GUARD.get_or_init(|| guard);
    Ok(())
}

fn exit() -> Outcome {
    let _guard = installed()?;
    std::process::exit(7)
}

fn exit_on_another_thread() -> Outcome {
    let _guard = installed()?;
    let thread = std::thread::spawn(|| std::process::exit(7));
    let _ = thread.join();
    Ok(())
}

#[expect(clippy::panic, reason = "the case")]
fn panic_in_main() -> Outcome {
    let _guard = installed()?;
    panic!("main panics")
}

/// Parent and child both leave by `exit`, with the guard they share by origin.
fn fork_both_exit() -> Outcome {
    let _guard = installed()?;
    match unix::fork()? {
        Forked::Child => {
            end_spans(&global::tracer_provider(), 1);
            std::process::exit(0)
        }
        Forked::Parent(child) => {
            fact("child.code", child.wait()?);
            end_spans(&global::tracer_provider(), 1);
            std::process::exit(7)
        }
    }
}

fn signal() -> Outcome {
    let guard = new_enhanced_pipeline()
        .with_scheduled_delay(LONG)
        .with_signal_handler()
        .install_batch()?;
    end_spans(guard.tracer_provider(), SPANS);
    wait_for_a_signal()
}

/// An application whose own handler was there first, and decides when to end.
fn signal_with_own_handler() -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let guard = new_enhanced_pipeline()
            .with_scheduled_delay(LONG)
            .with_signal_handler()
            .install_batch()?;
        end_spans(guard.tracer_provider(), SPANS);
        println!("ready");
        terminate.recv().await;
        // What it still has to do takes longer than our flush.
        tokio::time::sleep(Duration::from_millis(300)).await;
        fact("own_handler_ended", true);
        Ok(())
    })
}

fn second_install() -> Outcome {
    let guard = installed()?;
    let second = new_enhanced_pipeline().install_batch();
    fact(
        "second",
        second
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default(),
    );
    guard.shutdown()?;
    let third = new_enhanced_pipeline().install_batch()?;
    end_spans(third.tracer_provider(), SPANS);
    Ok(())
}

fn many_shutdowns() -> Outcome {
    let guard = installed()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| guard.shutdown().is_ok()))
            .collect();
        let all_well = threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or_default());
        fact("all_well", all_well);
    });
    fact("again", guard.shutdown().is_ok());
    fact("exported", guard.delivery().exported);
    Ok(())
}

fn disabled() -> Outcome {
    let guard = new_enhanced_pipeline().install_batch()?;
    end_spans(guard.tracer_provider(), SPANS);
    let span = opentelemetry::global::tracer("program").start("work");
    fact("recording", span.is_recording());
    let fields = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.fields().collect::<Vec<_>>().join(",")
    });
    fact("propagated", fields);
    fact("flushed", guard.force_flush().is_ok());
    fact("shut_down", guard.shutdown().is_ok());
    fact("ended", guard.delivery().ended);
    let _ = guard.tracer_provider().tracer("program");
    Ok(())
}

/// An exporter that blocks its thread, and so cannot be cancelled.
#[derive(Debug)]
struct Blocking;

impl SpanExporter for Blocking {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        std::thread::sleep(LONG);
        Ok(())
    }
}

fn blocking_exporter() -> Outcome {
    let guard = new_enhanced_pipeline()
        .with_exporter(Blocking)
        .with_max_export_batch_size(1)
        .install_batch()?;
    end_spans(guard.tracer_provider(), SPANS);
    let timeout = Duration::from_millis(200);
    fact("flushed", guard.force_flush_with_timeout(timeout).is_ok());
    fact("shut_down", guard.shutdown_with_timeout(timeout).is_ok());
    report(&guard);
    Ok(())
}

/// Installs, records and drops the guard where each of tokio's flavours has the thread, and outside.
fn every_runtime() -> Outcome {
    use tokio::runtime::Builder;

    let round = || -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_scheduled_delay(LONG)
            .install_batch()?;
        end_spans(guard.tracer_provider(), SPANS);
        drop(guard);
        Ok(())
    };
    round()?;
    let one = Builder::new_current_thread().enable_all().build()?;
    one.block_on(async { round() })?;
    let many = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    many.block_on(async { round() })?;
    // On a worker, too, where blocking clients refuse to work.
    let on_worker = many.spawn(async move { round().map_err(|error| error.to_string()) });
    many.block_on(on_worker)??;
    let _entered = one.enter();
    let guard = installed()?;
    guard.shutdown()?;
    Ok(())
}

/// Threads that go on ending spans, into a queue that is too small, while the pipeline is shut down.
fn books() -> Outcome {
    let exporter = Counting::default();
    let guard = new_enhanced_pipeline()
        .with_exporter(exporter.clone())
        .with_max_queue_size(64)
        .with_max_export_batch_size(16)
        .install_batch()?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let tracer = guard.tracer_provider().tracer("program");
                while !over.load(Ordering::Relaxed) {
                    tracer.start("work").end();
                }
            });
        }
        // Enough of them, however slow the machine is, and none is waited for.
        while guard.delivery().ended < 20_000 {
            std::thread::yield_now();
        }
        let shut_down = guard.shutdown();
        over.store(true, Ordering::Relaxed);
        fact("shut_down", shut_down.is_ok());
    });
    fact("received", exporter.count());
    report(&guard);
    Ok(())
}
