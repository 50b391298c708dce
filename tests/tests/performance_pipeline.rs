//! `init!(…, performance)`: the whole way, from the macro to the receiver.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use otel_enhance::export::DropReason;
use otel_enhance::{TelemetryGuard, enhanced_trace, init};
use otel_enhance_receiver::{Faults, Handler as _, Outcome, Receiver, Request, Store};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::gate::Gate;
use otel_enhance_tests::loopback::{Loopback, collected};

/// Longer than anything on loopback takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

#[enhanced_trace(name = "work", capture(number))]
fn work(number: u64) {}

fn load(count: u64) {
    for number in 0..count {
        work(number);
    }
}

fn exact(guard: &TelemetryGuard, ended: u64) {
    let report = guard.delivery();
    assert_eq!(report.ended, ended, "{report:?}");
    let counted = report.exported + report.dropped_total();
    assert_eq!(counted, ended, "{report:?}");
}

#[test]
fn every_protocol_delivers_with_several_exports_at_once() {
    alone(
        "every_protocol_delivers_with_several_exports_at_once",
        &[],
        || {
            for protocol in ["http", "json", "grpc"] {
                let gate = Gate::open_with_latency(Duration::from_millis(100));
                let loopback = Loopback::with_hook(gate.clone());
                let batch = 10;
                let guard = match protocol {
                    "http" => init!(
                        endpoint = loopback.http(),
                        performance(batch = batch, in_flight = 4)
                    ),
                    "json" => init!(
                        exporter = otlp_json,
                        endpoint = loopback.http(),
                        performance(batch = batch, in_flight = 4)
                    ),
                    _ => init!(
                        exporter = otlp_grpc,
                        endpoint = loopback.grpc(),
                        performance(batch = batch, in_flight = 4)
                    ),
                }
                .unwrap();
                load(200);
                guard.shutdown_with_timeout(LONG).unwrap();
                exact(&guard, 200);
                assert_eq!(loopback.store().span_count(), 200, "{protocol}");
                let most = gate.most_at_once();
                assert!((2..=4).contains(&most), "{protocol}: {most} at once");
            }
        },
    );
}

#[test]
fn variables_of_the_batch_processor_hold_for_our_queue() {
    alone(
        "variables_of_the_batch_processor_hold_for_our_queue",
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "20"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20"),
        ],
        || {
            let gate = Gate::shut();
            let loopback = Loopback::with_hook(gate.clone());
            let guard = init!(endpoint = loopback.http(), performance(in_flight = 1)).unwrap();
            load(20);
            let begun = Instant::now();
            while gate.inside() == 0 {
                assert!(begun.elapsed() < LONG);
                std::thread::yield_now();
            }
            load(100);
            // At most 20 in flight and 20 that wait.
            let dropped = guard.delivery().dropped(DropReason::QueueFull);
            assert!((80..100).contains(&dropped), "{dropped}");
            gate.open();
            guard.shutdown_with_timeout(LONG).unwrap();
            exact(&guard, 120);
        },
    );
}

#[test]
fn flush_and_shutdown_keep_their_deadlines_while_exports_hang() {
    alone(
        "flush_and_shutdown_keep_their_deadlines_while_exports_hang",
        &[],
        || {
            let loopback = Loopback::with_hook(Faults::new().with_hang());
            let guard = init!(
                endpoint = loopback.http(),
                error_handler = |_| {},
                performance(batch = 10)
            )
            .unwrap();
            load(200);
            let timeout = Duration::from_millis(200);
            for end in [
                TelemetryGuard::force_flush_with_timeout,
                TelemetryGuard::shutdown_with_timeout,
            ] {
                let begun = Instant::now();
                let error = end(&guard, timeout).unwrap_err();
                assert!(error.to_string().contains("200ms"), "{error}");
                assert!(begun.elapsed() >= timeout);
                // The OTLP timeout of 10 s would have ended them otherwise.
                assert!(begun.elapsed() < Duration::from_secs(8));
            }
            exact(&guard, 200);
            let report = guard.delivery();
            assert_eq!(report.dropped(DropReason::ShutdownDeadline), 200);
        },
    );
}

#[test]
fn partial_success_is_counted_and_never_resent() {
    alone("partial_success_is_counted_and_never_resent", &[], || {
        for protocol in ["http", "grpc"] {
            let store = Store::new();
            let kept = store.clone();
            let receiver = Receiver::builder()
                .with_http("127.0.0.1:0")
                .with_grpc("127.0.0.1:0")
                .with_handler(move |request: Request| {
                    let kept = kept.clone();
                    async move {
                        kept.export(request).await;
                        Outcome::PartialSuccess {
                            rejected_spans: 1,
                            message: "one too many".to_owned(),
                        }
                    }
                })
                .start_blocking()
                .unwrap();
            let quiet = |_: &otel_enhance::export::Report| {};
            let guard = match protocol {
                "http" => init!(
                    endpoint = receiver.http_endpoint().unwrap(),
                    error_handler = quiet,
                    performance(batch = 10)
                ),
                _ => init!(
                    exporter = otlp_grpc,
                    endpoint = receiver.grpc_endpoint().unwrap(),
                    error_handler = quiet,
                    performance(batch = 10)
                ),
            }
            .unwrap();
            load(100);
            guard.shutdown_with_timeout(LONG).unwrap();
            exact(&guard, 100);
            let rejected = guard.delivery().dropped(DropReason::PartialSuccess);
            assert!(rejected >= 10, "{rejected}");
            assert_eq!(store.span_count(), 100, "nothing came twice");
        }
    });
}

/// An exporter of the application's is called as the official trait promises it.
#[test]
fn exporter_given_in_code_is_called_once_at_a_time_unless_told_otherwise() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SpanData, SpanExporter};

    #[derive(Debug, Clone, Default)]
    struct Slow {
        inside: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    impl SpanExporter for Slow {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(inside, Ordering::SeqCst);
            // Blocks its thread, as exporters with a blocking client do.
            std::thread::sleep(Duration::from_millis(20));
            self.inside.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    }

    alone(
        "exporter_given_in_code_is_called_once_at_a_time_unless_told_otherwise",
        &[],
        || {
            let slow = Slow::default();
            let given = slow.clone();
            let guard = init!(exporter = given, performance(batch = 10)).unwrap();
            load(200);
            guard.shutdown_with_timeout(LONG).unwrap();
            exact(&guard, 200);
            assert_eq!(slow.most.load(Ordering::SeqCst), 1);

            let given = slow.clone();
            let guard = init!(exporter = given, performance(batch = 10, in_flight = 3)).unwrap();
            load(200);
            guard.shutdown_with_timeout(LONG).unwrap();
            exact(&guard, 200);
            assert_eq!(slow.most.load(Ordering::SeqCst), 3);
        },
    );
}

#[enhanced_trace(name = "texts", capture(%shown, owned, borrowed, ?debugged, letter, some), fields(cow = cow))]
fn texts(
    shown: &str,
    owned: String,
    borrowed: &str,
    debugged: &str,
    letter: char,
    some: Option<&str>,
    cow: Cow<'_, str>,
) {
}

#[test]
fn texts_of_any_length_and_kind_arrive_as_on_the_sdk_path() {
    alone(
        "texts_of_any_length_and_kind_arrive_as_on_the_sdk_path",
        &[],
        || {
            // What a record keeps in place ends at 39 bytes.
            let lengths = [0, 1, 2, 3, 7, 8, 15, 16, 17, 32, 33, 38, 39, 40, 41, 1000];
            let arrived = |fast: bool| {
                let loopback = Loopback::start();
                let guard = if fast {
                    init!(endpoint = loopback.http(), performance)
                } else {
                    init!(endpoint = loopback.http())
                }
                .unwrap();
                for length in lengths {
                    for text in ["x".repeat(length), "ü".repeat(length / 2)] {
                        let some = (length % 2 == 0).then_some(&text[..]);
                        let cow = if length % 2 == 0 {
                            Cow::Borrowed(&text[..])
                        } else {
                            Cow::Owned(text.clone())
                        };
                        // The first three are in the record, whichever these are.
                        texts(&text, text.clone(), &text, &text, 'ß', some, cow);
                    }
                }
                guard.shutdown().unwrap();
                let spans = collected(&loopback.store().spans());
                spans
                    .into_iter()
                    .map(|span| span.span.attributes)
                    .collect::<Vec<_>>()
            };
            let (ours, official) = (arrived(true), arrived(false));
            assert_eq!(ours.len(), 2 * lengths.len());
            assert_eq!(ours, official);
        },
    );
}
