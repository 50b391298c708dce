//! The quickstart's traces, asked back from a real trace backend.
#![cfg(feature = "peers")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeSet, HashSet};
use std::process::Command;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use otel_enhance_tests::collector_file::CollectedSpan;
use otel_enhance_tests::peers::Jaeger;
use otel_enhance_tests::programs::example;

const TIMEOUT: Duration = Duration::from_secs(20);

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes
        .iter()
        .find(|attribute| attribute.key == key)?
        .value
        .as_ref()?
        .value
        .as_ref()
}

fn service(collected: &CollectedSpan) -> String {
    match attribute(&collected.resource.attributes, "service.name") {
        Some(Value::StringValue(name)) => name.clone(),
        other => panic!("the service has no name but {other:?}"),
    }
}

#[test]
fn jaeger_given_the_quickstart_has_its_traces() {
    let program = example("quickstart");
    let jaeger = Jaeger::start();
    let output = Command::new(program)
        .args(["--endpoint", &jaeger.http_endpoint()])
        .output()
        .expect("the quickstart can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    // The order that goes well: its price, its charge, and for each of two things the request,
    // its server side, and what the warehouse does for it.
    let mut orders = BTreeSet::new();
    for id in jaeger.wait_for_traces_of("storefront", 3, TIMEOUT) {
        let spans = jaeger.trace(&id);
        let roots: Vec<_> = spans
            .iter()
            .filter(|collected| collected.span.parent_span_id.is_empty())
            .collect();
        assert_eq!(roots.len(), 1, "trace {id} has one root");
        let Some(&Value::IntValue(order)) = attribute(&roots[0].span.attributes, "order.id") else {
            panic!("trace {id} is of no order");
        };
        orders.insert(order);
        let spans = match order {
            1001 => jaeger.wait_for_trace(&id, 13, TIMEOUT),
            1003 => jaeger.wait_for_trace(&id, 8, TIMEOUT),
            _ => spans,
        };
        check(order, &spans);
    }
    assert_eq!(orders, BTreeSet::from([1001, 1002, 1003]));
    let services: HashSet<String> = jaeger.services().into_iter().collect();
    assert_eq!(
        services,
        HashSet::from(["storefront".to_owned(), "warehouse".to_owned()])
    );
}

fn check(order: i64, spans: &[CollectedSpan]) {
    let ids: HashSet<&[u8]> = spans
        .iter()
        .map(|collected| &*collected.span.span_id)
        .collect();
    assert_eq!(ids.len(), spans.len(), "order {order} has each span once");
    for collected in spans
        .iter()
        .filter(|collected| !collected.span.parent_span_id.is_empty())
    {
        assert!(
            ids.contains(&*collected.span.parent_span_id),
            "order {order}: {} has no parent",
            collected.span.name
        );
    }
    let failed = |collected: &&CollectedSpan| {
        collected
            .span
            .status
            .as_ref()
            .is_some_and(|status| status.code == 2)
    };
    let of = |name: &str| {
        spans
            .iter()
            .filter(|collected| service(collected) == name)
            .count()
    };
    match order {
        1001 => {
            assert_eq!((of("storefront"), of("warehouse")), (7, 6));
            assert_eq!(spans.iter().filter(failed).count(), 0);
        }
        1003 => {
            assert_eq!((of("storefront"), of("warehouse")), (5, 3));
            assert_eq!(
                spans.iter().filter(failed).count(),
                2,
                "the charge and the checkout failed"
            );
        }
        _ => assert!(
            spans.iter().any(|collected| failed(&collected)),
            "order {order} was not to be had"
        ),
    }
}
