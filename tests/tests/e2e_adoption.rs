//! A program that keeps its official provider and exporter, and takes one part of ours.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::trace::{Span, Tracer};
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use otel_enhance::enhanced_trace;
use otel_enhance::export::DropReason;
use otel_enhance::wrappers::EnhancedExporter;
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::Loopback;
use otel_enhance_tests::nuisance::dead;
use otel_enhance_tests::sender::Recorder;

#[enhanced_trace(name = "annotated")]
fn annotated() {
    global::tracer("by-hand").start("official").end();
}

/// The official exporter over gRPC, as one builds it by hand.
fn official(endpoint: &str) -> SpanExporter {
    SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.to_owned())
        .with_timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn provider_and_exporter_by_hand_with_set_tracer_provider_get_annotated_functions() {
    alone(
        "provider_and_exporter_by_hand_with_set_tracer_provider_get_annotated_functions",
        &[],
        || {
            let loopback = Loopback::start();
            let runtime = runtime();
            let _entered = runtime.enter();
            annotated();
            let provider = SdkTracerProvider::builder()
                .with_resource(Resource::builder().with_service_name("by-hand").build())
                .with_batch_exporter(official(loopback.grpc()))
                .build();
            otel_enhance::set_tracer_provider(provider.clone());
            annotated();
            provider.shutdown().unwrap();
            let spans = loopback.wait(2);
            assert_eq!(loopback.names(), ["annotated", "official"]);
            let by_name = |name| {
                spans
                    .iter()
                    .find(|stored| stored.span.name == name)
                    .unwrap()
            };
            // One trace through both, and the resource is the application's.
            assert_eq!(
                by_name("official").span.parent_span_id,
                by_name("annotated").span.span_id
            );
            let service = KeyValue::new("service.name", "by-hand");
            let has_it = |stored: &&otel_enhance_receiver::StoredSpan| {
                stored.resource.attributes.iter().any(|attribute| {
                    attribute.key == service.key.as_str()
                        && format!("{attribute:?}").contains("by-hand")
                })
            };
            assert!(spans.iter().all(|stored| has_it(&stored)), "{spans:?}");
        },
    );
}

#[test]
fn global_provider_alone_leaves_annotated_functions_silent_until_they_follow_it() {
    alone(
        "global_provider_alone_leaves_annotated_functions_silent_until_they_follow_it",
        &[],
        || {
            let recorder = Recorder::default();
            let provider = |recorder: &Recorder| {
                SdkTracerProvider::builder()
                    .with_span_processor(recorder.clone())
                    .build()
            };
            let names = |recorder: &Recorder| {
                let spans = recorder.take();
                spans
                    .into_iter()
                    .map(|span| span.name.into_owned())
                    .collect::<Vec<_>>()
            };
            global::set_tracer_provider(provider(&recorder));
            annotated();
            assert_eq!(names(&recorder), ["official"]);
            otel_enhance::follow_global();
            annotated();
            assert_eq!(names(&recorder), ["official", "annotated"]);
            // Whoever is set later is followed as well.
            let later = Recorder::default();
            global::set_tracer_provider(provider(&later));
            annotated();
            assert_eq!(names(&recorder), Vec::<String>::new());
            assert_eq!(names(&later), ["official", "annotated"]);
        },
    );
}

/// Who adopts `init!` for a part of the program's life, such as one test, loses nothing of its own.
#[test]
fn provider_set_by_hand_is_used_again_after_an_init_and_its_shutdown() {
    alone(
        "provider_set_by_hand_is_used_again_after_an_init_and_its_shutdown",
        &[],
        || {
            let by_hand = Recorder::default();
            let provider = SdkTracerProvider::builder()
                .with_span_processor(by_hand.clone())
                .build();
            otel_enhance::set_tracer_provider(provider);
            let names = || {
                let spans = by_hand.take();
                spans
                    .into_iter()
                    .map(|span| span.name.into_owned())
                    .collect::<Vec<_>>()
            };
            let loopback = Loopback::start();
            for _ in 0..2 {
                annotated();
                assert_eq!(names(), ["official", "annotated"]);
                let guard = otel_enhance::init!(endpoint = loopback.http()).unwrap();
                annotated();
                guard.shutdown().unwrap();
                assert_eq!(names(), Vec::<String>::new());
            }
            annotated();
            assert_eq!(names(), ["official", "annotated"]);
            assert_eq!(
                loopback.names(),
                ["annotated", "annotated", "official", "official"]
            );
        },
    );
}

#[test]
fn official_exporter_wrapped_by_hand_delivers_and_counts() {
    alone(
        "official_exporter_wrapped_by_hand_delivers_and_counts",
        &[],
        || {
            let loopback = Loopback::start();
            let runtime = runtime();
            let exporter = {
                let _entered = runtime.enter();
                EnhancedExporter::wrap(official(loopback.grpc())).unwrap()
            };
            let delivery = exporter.watch();
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .build();
            otel_enhance::set_tracer_provider(provider.clone());
            for _ in 0..50 {
                annotated();
            }
            provider.shutdown().unwrap();
            assert_eq!(loopback.wait(100).len(), 100);
            let report = delivery.report();
            assert_eq!((report.ended, report.exported), (100, 100), "{report:?}");
            assert_eq!(report.dropped_total(), 0, "{report:?}");
        },
    );
}

#[test]
fn official_exporter_wrapped_by_hand_at_a_dead_endpoint_counts_what_is_lost() {
    alone(
        "official_exporter_wrapped_by_hand_at_a_dead_endpoint_counts_what_is_lost",
        &[],
        || {
            let runtime = runtime();
            let exporter = {
                let _entered = runtime.enter();
                EnhancedExporter::wrap(official(&dead())).unwrap()
            };
            let delivery = exporter.watch();
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .build();
            otel_enhance::set_tracer_provider(provider.clone());
            annotated();
            // It has failed, and that is told by the books.
            provider.force_flush().ok();
            provider.shutdown().ok();
            let report = delivery.report();
            assert_eq!((report.ended, report.exported), (2, 0), "{report:?}");
            // The official exporter says that it failed and not why.
            assert_eq!(report.dropped(DropReason::ExporterFailed), 2, "{report:?}");
        },
    );
}

/// An exporter of somebody else's, full of instrumentation: by annotated functions, by the global
/// tracer, in tasks that it spawns, and in what it calls when it ends.
#[derive(Debug, Default)]
struct Instrumented {
    exported: Arc<AtomicUsize>,
    own: Arc<AtomicUsize>,
}

#[enhanced_trace(name = "inside the exporter")]
fn inside() {
    global::tracer("exporter").start("inside, by hand").end();
}

#[enhanced_trace(name = "inside the exporter, async")]
async fn inside_async() {
    tokio::task::yield_now().await;
    inside();
}

impl Instrumented {
    fn count(&self, batch: &[SpanData]) {
        let own = batch.iter().filter(|span| span.name.starts_with("inside"));
        self.own.fetch_add(own.count(), Ordering::SeqCst);
        self.exported.fetch_add(batch.len(), Ordering::SeqCst);
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Instrumented {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.count(&batch);
        inside();
        inside_async().await;
        // As an instrumented hyper does for its connections.
        tokio::spawn(inside_async()).await.unwrap();
        tokio::task::spawn_blocking(inside).await.unwrap();
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        inside();
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        inside();
        Ok(())
    }
}

#[test]
fn exporter_full_of_instrumentation_never_exports_spans_of_its_own() {
    alone(
        "exporter_full_of_instrumentation_never_exports_spans_of_its_own",
        &[],
        || {
            let exporter = Instrumented::default();
            let (exported, own) = (Arc::clone(&exporter.exported), Arc::clone(&exporter.own));
            let guard =
                otel_enhance::init!(exporter = exporter, batch(scheduled_delay = 10ms),).unwrap();
            for _ in 0..5 {
                annotated();
                guard.force_flush().unwrap();
            }
            guard.shutdown().unwrap();
            assert_eq!(own.load(Ordering::SeqCst), 0, "spans of the exporter's own");
            assert_eq!(exported.load(Ordering::SeqCst), 10);
            let report = guard.delivery();
            assert_eq!((report.ended, report.exported), (10, 10), "{report:?}");
        },
    );
}

/// The official exporter's stack inside `init!`: tonic and hyper, without any runtime of the caller's.
#[test]
fn official_exporter_as_an_expression_of_init_delivers_without_a_runtime() {
    alone(
        "official_exporter_as_an_expression_of_init_delivers_without_a_runtime",
        &[],
        || {
            let loopback = Loopback::start();
            let endpoint = loopback.grpc().to_owned();
            let guard = otel_enhance::init!(exporter = official(&endpoint)).unwrap();
            annotated();
            guard.shutdown().unwrap();
            assert_eq!(loopback.names(), ["annotated", "official"]);
            assert_eq!(guard.delivery().exported, 2);
        },
    );
}
