//! Exporters given in code that do what they should not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use opentelemetry_sdk::trace::BatchSpanProcessor;
use opentelemetry_sdk::trace::{SdkTracerProvider, SimpleSpanProcessor};

use super::super::log::lock;
use super::super::sink::boxed;
use super::super::testing::{Pipeline, span};
use super::*;

const LONG: Duration = Duration::from_secs(20);

/// Calls the closure for each export.
struct Calls<F>(F);

impl<F> fmt::Debug for Calls<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

impl<F, R> SpanExporter for Calls<F>
where
    F: Fn(Vec<SpanData>) -> R + Send + Sync + 'static,
    R: Future<Output = OTelSdkResult> + Send,
{
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        (self.0)(batch)
    }
}

#[test]
fn exporter_that_panics_loses_its_batch_and_gets_the_next_one() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let exporter = Calls(move |_| {
        // The first time when it is called, the second time when it is polled.
        let call = counted.fetch_add(1, Ordering::SeqCst);
        assert!(call != 0, "called too early");
        async move {
            assert!(call != 1, "polled too early");
            Ok(())
        }
    });
    let pipeline = Pipeline::new();
    let exporter = pipeline.erase(boxed(exporter), LONG);
    for _ in 0..3 {
        pipeline.export(&exporter, vec![span("s"); 2]);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    let report = pipeline.report();
    assert_eq!(report.dropped(DropReason::ExporterFailed), 4);
    assert_eq!(report.exported, 2);
    assert!(
        pipeline.said()[0].contains("called too early"),
        "{:?}",
        pipeline.said()
    );
}

#[test]
fn exporter_that_panics_when_it_is_dropped_or_configured_is_survived() {
    #[derive(Debug)]
    struct Hostile;
    impl SpanExporter for Hostile {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            struct PanicsInDrop;
            impl Drop for PanicsInDrop {
                fn drop(&mut self) {
                    panic!("dropped");
                }
            }
            let _held = PanicsInDrop;
            std::future::pending().await
        }
        fn shutdown(&self) -> OTelSdkResult {
            panic!("shutdown")
        }
        fn force_flush(&self) -> OTelSdkResult {
            panic!("flush")
        }
        fn set_resource(&mut self, _: &Resource) {
            panic!("resource")
        }
    }
    let pipeline = Pipeline::new();
    let mut exporter = pipeline.erase(boxed(Hostile), Duration::from_millis(50));
    exporter.set_resource(&Resource::builder_empty().build());
    pipeline.export(&exporter, vec![span("s")]);
    assert_eq!(pipeline.report().dropped(DropReason::Timeout), 1);
    exporter.force_flush().unwrap_err();
    exporter.shutdown().unwrap_err();
}

#[test]
fn exporter_that_never_ends_is_given_up_at_the_export_timeout() {
    let pipeline = Pipeline::new();
    let exporter = Calls(|_| std::future::pending());
    let exporter = pipeline.erase(boxed(exporter), Duration::from_millis(100));
    let begun = Instant::now();
    pipeline.export(&exporter, vec![span("s")]);
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(pipeline.report().dropped(DropReason::Timeout), 1);
}

#[test]
fn exporter_cut_off_is_given_up_then_and_not_called_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let exporter = Calls(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    });
    let pipeline = Pipeline::new();
    let exporter = pipeline.erase(boxed(exporter), LONG);
    let begun = Instant::now();
    let runtime = &pipeline.shared.runtime;
    runtime.cut_off(begun + Duration::from_millis(100));
    pipeline.export(&exporter, vec![span("s")]);
    pipeline.export(&exporter, vec![span("s")]);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(pipeline.report().dropped(DropReason::ShutdownDeadline), 2);
}

#[test]
fn exporter_is_polled_with_our_runtime_entered_and_telemetry_suppressed() {
    let pipeline = Pipeline::new();
    let ours = pipeline.shared.runtime.handle().id();
    let exporter = Calls(move |_| async move {
        assert_eq!(tokio::runtime::Handle::current().id(), ours);
        assert!(Context::is_current_telemetry_suppressed());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(Context::is_current_telemetry_suppressed());
        Ok(())
    });
    let exporter = pipeline.erase(boxed(exporter), LONG);
    pipeline.export(&exporter, vec![span("s")]);
    assert_eq!(pipeline.report().exported, 1, "{:?}", pipeline.said());
}

/// As blocking HTTP clients do it: `block_on` in the middle of an export.
fn blocking_exporter() -> impl SpanExporter {
    Calls(|_| async {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {});
        Ok(())
    })
}

#[test]
fn simple_processor_with_blocking_exporter_works_on_a_tokio_thread() {
    use opentelemetry::trace::{Span, Tracer, TracerProvider};
    let pipeline = Pipeline::new();
    let exporter = pipeline.erase(boxed(blocking_exporter()), LONG);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(SimpleSpanProcessor::new(exporter))
        .build();
    let application = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    application.block_on(async {
        provider.tracer("t").start("s").end();
    });
    assert_eq!(pipeline.report().exported, 1, "{:?}", pipeline.said());
}

#[test]
fn batch_processor_with_panicking_exporter_goes_on() {
    use opentelemetry::trace::{Span, Tracer, TracerProvider};
    let first = AtomicUsize::new(0);
    let exporter = Calls(move |_| {
        let call = first.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(call != 0, "the first one");
            Ok(())
        }
    });
    let pipeline = Pipeline::new();
    let exporter = pipeline.erase(boxed(exporter), LONG);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).build())
        .build();
    let tracer = provider.tracer("t");
    for _ in 0..2 {
        tracer.start("s").end();
        // The first flush reports the failure.
        let _ = provider.force_flush();
    }
    let report = pipeline.report();
    assert_eq!((report.exported, report.dropped_total()), (1, 1));
    provider.shutdown().unwrap();
}

#[test]
fn several_sinks_each_get_the_batch_and_it_is_counted_once() {
    let pipeline = Pipeline::new();
    let names = Arc::new(Mutex::new(Vec::new()));
    let sink = |name: &'static str, works: bool| {
        let names = Arc::clone(&names);
        boxed(Calls(move |batch: Vec<SpanData>| {
            lock(&names).push((name, batch.len()));
            async move {
                match works {
                    true => Ok(()),
                    false => Err(OTelSdkError::InternalFailure("broken".into())),
                }
            }
        }))
    };
    let sinks = vec![
        ("stdout".to_owned(), false, sink("stdout", false)),
        ("otlp".to_owned(), true, sink("otlp", true)),
    ];
    let exporter = ErasedExporter::new(sinks, LONG, None, pipeline.shared.clone());
    pipeline.export(&exporter, vec![span("s"); 3]);
    assert_eq!(*lock(&names), [("stdout", 3), ("otlp", 3)]);
    let report = pipeline.report();
    assert_eq!((report.exported, report.dropped_total()), (3, 0));
}

#[test]
fn spans_are_limited_and_those_not_sampled_left_out() {
    let pipeline = Pipeline::new();
    let names = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&names);
    let exporter = boxed(Calls(move |batch: Vec<SpanData>| {
        lock(&kept).extend(batch.into_iter().map(|span| span.name));
        async { Ok(()) }
    }));
    let limits: LimitsHook = Arc::new(|span| span.name = "limited".into());
    let sinks = vec![("otlp".to_owned(), true, exporter)];
    let exporter = ErasedExporter::new(sinks, LONG, Some(limits), pipeline.shared.clone());
    let mut recorded_only = span("recorded only");
    recorded_only.span_context = opentelemetry::trace::SpanContext::new(
        recorded_only.span_context.trace_id(),
        recorded_only.span_context.span_id(),
        opentelemetry::trace::TraceFlags::default(),
        false,
        opentelemetry::trace::TraceState::NONE,
    );
    pipeline.export(&exporter, vec![recorded_only, span("sampled")]);
    assert_eq!(*lock(&names), ["limited"]);
    assert_eq!(pipeline.report().exported, 1);
}
