//! tokio runtimes of the application: none, dropped, or with one thread.

use std::time::{Duration, Instant};

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_enhance::new_enhanced_pipeline;
use tokio::runtime::{Builder, Runtime};

use crate::common::{Outcome, end_spans, fact, report};

/// What a test waits for a shutdown that will not succeed.
const PATIENCE: Duration = Duration::from_millis(500);

fn current_thread() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The gRPC exporter is built where there is no runtime.
pub(crate) mod grpc_outside_runtime {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let built = std::panic::catch_unwind(|| SpanExporter::builder().with_tonic().build());
        fact("panicked", built.is_err());
        Ok(())
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline().with_otlp_grpc().install_batch()?;
        end_spans(guard.tracer_provider(), 3);
        guard.shutdown()?;
        report(&guard);
        Ok(())
    }
}

/// The runtime in which the gRPC exporter was built is gone.
pub(crate) mod grpc_runtime_dropped {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let runtime = current_thread()?;
        let exporter = runtime.block_on(async { SpanExporter::builder().with_tonic().build() })?;
        drop(runtime);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .build();
        end_spans(&provider, 3);
        fact("flush_failed", provider.force_flush().is_err());
        Ok(())
    }

    pub(crate) fn ours() -> Outcome {
        let runtime = current_thread()?;
        let guard =
            runtime.block_on(async { new_enhanced_pipeline().with_otlp_grpc().install_batch() })?;
        drop(runtime);
        end_spans(guard.tracer_provider(), 3);
        guard.shutdown()?;
        report(&guard);
        Ok(())
    }
}

/// Shutdown and flush inside a runtime that has no other thread to export on.
pub(crate) mod current_thread_shutdown {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let runtime = current_thread()?;
        runtime.block_on(async {
            let exporter = SpanExporter::builder().with_tonic().build()?;
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .build();
            end_spans(&provider, 3);
            let started = Instant::now();
            let result = provider.shutdown_with_timeout(PATIENCE);
            fact("shutdown_failed", result.is_err());
            fact("blocked_ms", started.elapsed().as_millis());
            // As a program that ends now: what waits is lost.
            crate::unix::exit_now(0)
        })
    }

    pub(crate) fn ours() -> Outcome {
        let runtime = current_thread()?;
        runtime.block_on(async {
            let guard = new_enhanced_pipeline().with_otlp_grpc().install_batch()?;
            end_spans(guard.tracer_provider(), 2);
            guard.force_flush()?;
            end_spans(guard.tracer_provider(), 1);
            guard.shutdown()?;
            report(&guard);
            Ok(())
        })
    }
}
