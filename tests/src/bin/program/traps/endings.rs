//! Fork, exit, signals, and what comes after shutdown.

use std::time::{Duration, Instant};

use opentelemetry::global;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};
use otel_enhance::new_enhanced_pipeline;

use crate::common::{Counting, Outcome, end_spans, fact, report};
use crate::unix::{self, Forked};

/// Never reached: spans wait in the queue.
const LONG: Duration = Duration::from_secs(3600);

/// A queue and a generator of ids that a fork copies.
pub(crate) mod fork {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let exporter = Counting::default();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.clone())
            .build();
        end_spans(&provider, 1);
        match unix::fork()? {
            Forked::Child => {
                fact("child.id", RandomIdGenerator::default().new_span_id());
                let started = Instant::now();
                let result = provider.shutdown_with_timeout(Duration::from_millis(500));
                fact("child.shutdown_failed", result.is_err());
                fact("child.blocked_ms", started.elapsed().as_millis());
                unix::exit_now(0)
            }
            Forked::Parent(child) => {
                child.wait()?;
                fact("parent.id", RandomIdGenerator::default().new_span_id());
                provider.shutdown()?;
                Ok(())
            }
        }
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_service_name("parent")
            .with_scheduled_delay(LONG)
            .with_red_metrics(true)
            .install_batch()?;
        end_spans(guard.tracer_provider(), 2);
        let calls = || -> u64 {
            let series = guard.red_metrics().map(|red| red.series());
            series.iter().flatten().map(|one| one.calls).sum()
        };
        match unix::fork()? {
            Forked::Child => {
                let mut span = guard.tracer_provider().tracer("program").start("child");
                fact("child.id", span.span_context().span_id());
                span.end();
                let started = Instant::now();
                guard.force_flush()?;
                guard.shutdown()?;
                fact("child.blocked_ms", started.elapsed().as_millis());
                fact("child.ended", guard.delivery().ended);
                let forked = otel_enhance::export::DropReason::Forked;
                fact("child.forked", guard.delivery().dropped(forked));
                // The locks are copies, and may be held by a thread that is not there.
                fact("child.calls", calls());

                let anew = new_enhanced_pipeline()
                    .with_service_name("child")
                    .install_batch()?;
                end_spans(anew.tracer_provider(), 1);
                anew.shutdown()?;
                fact("child.exported", anew.delivery().exported);
                drop(anew);
                drop(guard);
                // With its exit handlers, which are the parent's by origin.
                std::process::exit(0)
            }
            Forked::Parent(child) => {
                fact("child.code", child.wait()?);
                let mut span = guard.tracer_provider().tracer("program").start("parent");
                fact("parent.id", span.span_context().span_id());
                span.end();
                guard.shutdown()?;
                fact("parent.calls", calls());
                report(&guard);
                Ok(())
            }
        }
    }
}

/// `std::process::exit` with spans in the queue.
pub(crate) mod process_exit {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let _runtime = plain_grpc(1)?;
        std::process::exit(7)
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_scheduled_delay(LONG)
            .install_batch()?;
        end_spans(guard.tracer_provider(), 1);
        std::process::exit(7)
    }
}

/// `SIGTERM` with spans in the queue.
pub(crate) mod sigterm {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let _runtime = plain_grpc(1)?;
        wait_for_a_signal()
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_scheduled_delay(LONG)
            .with_signal_handler()
            .install_batch()?;
        end_spans(guard.tracer_provider(), 1);
        wait_for_a_signal()
    }
}

/// Says that it is ready, and does nothing.
pub(crate) fn wait_for_a_signal() -> Outcome {
    println!("ready");
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

/// A plain pipeline over gRPC that works, with `spans` in its queue.
fn plain_grpc(spans: usize) -> Result<impl Sized, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .build();
    end_spans(&provider, spans);
    drop(_entered);
    Ok((runtime, provider))
}

/// A span that outlives the provider's shutdown.
pub(crate) mod after_shutdown {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let exporter = Counting::default();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.clone())
            .build();
        let mut late = provider.tracer("program").start("late");
        end_spans(&provider, 2);
        provider.shutdown()?;
        late.end();
        fact("exported", exporter.count());
        Ok(())
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_exporter(Counting::default())
            .install_batch()?;
        let mut late = guard.tracer_provider().tracer("program").start("late");
        end_spans(guard.tracer_provider(), 2);
        guard.shutdown()?;
        late.end();
        report(&guard);
        Ok(())
    }
}

/// A global provider that is replaced and put back again and again.
pub(crate) mod global_restore_depth {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::noop::{NoopTracer, NoopTracerProvider};

    use super::*;

    const ROUNDS: usize = 20;

    static STACK: AtomicUsize = AtomicUsize::new(0);

    /// The application's own provider, which notes how deep in the stack it is called.
    struct Deep;

    impl TracerProvider for Deep {
        type Tracer = NoopTracer;

        fn tracer_with_scope(&self, scope: InstrumentationScope) -> NoopTracer {
            let here = 0_u8;
            STACK.store(black_box(&raw const here).addr(), Ordering::SeqCst);
            NoopTracerProvider::new().tracer_with_scope(scope)
        }
    }

    fn depth() -> usize {
        let here = 0_u8;
        let _ = global::tracer("program");
        (black_box(&raw const here).addr()).saturating_sub(STACK.load(Ordering::SeqCst))
    }

    fn tell(change: impl Fn() -> Outcome) -> Outcome {
        global::set_tracer_provider(Deep);
        change()?;
        fact("depth_once", depth());
        for _ in 1..ROUNDS {
            change()?;
        }
        fact("depth_often", depth());
        Ok(())
    }

    pub(crate) fn plain() -> Outcome {
        tell(|| {
            let found = global::tracer_provider();
            global::set_tracer_provider(SdkTracerProvider::builder().build());
            global::set_tracer_provider(found);
            Ok(())
        })
    }

    pub(crate) fn ours() -> Outcome {
        tell(|| {
            let guard = new_enhanced_pipeline().with_no_exporter().install_batch()?;
            guard.shutdown()?;
            Ok(())
        })?;
        // What the application sets later is what is put back later.
        global::set_tracer_provider(NoopTracerProvider::new());
        STACK.store(0, Ordering::SeqCst);
        new_enhanced_pipeline()
            .with_no_exporter()
            .install_batch()?
            .shutdown()?;
        let _ = global::tracer("program");
        fact("old_one_is_back", STACK.load(Ordering::SeqCst) != 0);
        Ok(())
    }
}
