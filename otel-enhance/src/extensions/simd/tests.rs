//! The wrapper in front of an exporter that is not ours, in a provider that is not ours.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use otel_enhance_receiver::{GrpcCode, Outcome as Answer, Refusal, Request};

use super::SimdSpanExporter;
use crate::InitError;
use crate::config::Protocol;
use crate::export::testing::receiver::Scripted;
use crate::export::{Destination, DropReason, Report};

/// An official exporter that keeps what it gets.
#[derive(Clone, Debug, Default)]
struct Wrapped(Arc<Mutex<Vec<String>>>);

impl Wrapped {
    fn names(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl SpanExporter for Wrapped {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let names = batch.into_iter().map(|span| span.name.into_owned());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(names);
        Ok(())
    }
}

/// What was said, and the exporter that says it.
fn wrap(wrapped: &Wrapped) -> (SimdSpanExporter, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let exporter = SimdSpanExporter::wrap_with_error_handler(
        wrapped.clone(),
        Arc::new(move |report: &Report| heard.lock().unwrap().push(report.to_string())),
    );
    (exporter.unwrap(), said)
}

fn end_spans(exporter: SimdSpanExporter, names: &[&'static str]) {
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name("shop").build())
        .with_batch_exporter(exporter)
        .build();
    for name in names {
        provider.tracer("test").start(*name).end();
        provider.force_flush().unwrap();
    }
    provider.shutdown().unwrap();
}

#[test]
fn wrapper_without_destination_delivers_through_what_it_wraps_and_says_so_once() {
    let wrapped = Wrapped::default();
    let (exporter, said) = wrap(&wrapped);
    let watch = exporter.watch();
    end_spans(exporter, &["a", "b"]);
    assert_eq!(wrapped.names(), ["a", "b"]);
    assert_eq!(watch.report().exported, 2);
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("with_destination"), "{said:?}");
}

#[test]
fn wrapper_with_destination_delivers_there_with_the_providers_resource() {
    let receiver = Scripted::start([], None);
    for (protocol, destination) in [
        (
            Protocol::HttpProtobuf,
            Destination::http as fn(String) -> Destination,
        ),
        (Protocol::HttpJson, Destination::http_json),
        (Protocol::Grpc, Destination::grpc),
    ] {
        let wrapped = Wrapped::default();
        let (exporter, said) = wrap(&wrapped);
        let watch = exporter.watch();
        let destination = destination(receiver.endpoint(protocol)).with_header("X-Tenant", "blue");
        end_spans(
            exporter.with_destination(&destination).unwrap(),
            &["a", "b"],
        );
        assert_eq!(wrapped.names(), [""; 0]);
        assert_eq!(watch.report().exported, 2);
        assert!(
            said.lock().unwrap().is_empty(),
            "{:?}",
            said.lock().unwrap()
        );
    }
    let came = receiver.seen(|request| {
        let resource = request.message.resource_spans[0].resource.as_ref();
        let named = resource.unwrap().attributes[0].key.clone();
        let tenant = request.head.header("x-tenant") == Some("blue");
        (request.span_count(), named, tenant)
    });
    assert_eq!(came, vec![(1, "service.name".to_owned(), true); 6]);
}

#[test]
fn batch_that_the_destination_refuses_goes_through_what_is_wrapped() {
    let refusal = || {
        Answer::Refused(Refusal::new(
            StatusCode::NOT_FOUND,
            GrpcCode::Unimplemented,
            "what?",
        ))
    };
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        let receiver = Scripted::start([refusal(), refusal()], None);
        let wrapped = Wrapped::default();
        let (exporter, said) = wrap(&wrapped);
        let watch = exporter.watch();
        let endpoint = receiver.endpoint(protocol);
        let destination = match protocol {
            Protocol::Grpc => Destination::grpc(endpoint),
            _ => Destination::http(endpoint),
        };
        let exporter = exporter.with_destination(&destination).unwrap();
        end_spans(exporter, &["a", "b", "c"]);
        assert_eq!(receiver.seen(Request::span_count), [1, 1, 1]);
        assert_eq!(wrapped.names(), ["a", "b"], "{protocol:?}");
        let report = watch.report();
        assert_eq!(report.exported, 3, "{report:?}");
        assert_eq!(report.dropped(DropReason::Rejected), 0, "{report:?}");
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("the wrapped exporter delivers it"),
            "{said:?}"
        );
    }
}

#[test]
fn destination_that_is_not_usable_or_a_second_one_is_an_error_that_names_it() {
    let given = |destinations: &[Destination]| {
        let exporter = SimdSpanExporter::wrap(Wrapped::default()).unwrap();
        destinations
            .iter()
            .try_fold(exporter, |exporter, one| exporter.with_destination(one))
            .unwrap_err()
    };
    let right = Destination::http("http://localhost:4318/v1/traces");
    for (destinations, at_fault) in [
        (vec![Destination::http("collector")], "endpoint"),
        (vec![Destination::grpc("ftp://collector:1")], "endpoint"),
        (vec![right.clone().with_header("a b", "c")], "headers"),
        (
            vec![right.clone().with_timeout(std::time::Duration::ZERO)],
            "timeout",
        ),
        (vec![right.clone(), right], "destination"),
    ] {
        match given(&destinations) {
            InitError::InvalidArgument { argument, .. } => assert_eq!(argument, at_fault),
            other => panic!("{at_fault}: {other:?}"),
        }
    }
}
