//! The resource: code, the two variables, the detectors.

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;

use super::*;

fn get(settings: &Settings, key: &'static str) -> Option<String> {
    settings
        .resource
        .get(&key.into())
        .map(|value| value.to_string())
}

#[test]
fn resource_without_configuration_has_what_the_detectors_found() {
    let (settings, diagnostics) = resolved(nothing(), &[]);
    assert_eq!(diagnostics, []);
    let name = get(&settings, "service.name").unwrap_or_default();
    assert!(name.starts_with("unknown_service:"), "{name}");
    for key in [
        "service.instance.id",
        "process.pid",
        "process.executable.name",
        "process.runtime.name",
        "host.arch",
        "os.type",
        "telemetry.sdk.name",
        "telemetry.sdk.language",
        "telemetry.sdk.version",
        "telemetry.distro.version",
    ] {
        assert!(get(&settings, key).is_some(), "{key}");
    }
    assert_eq!(
        get(&settings, "telemetry.distro.name").as_deref(),
        Some("otel-enhance")
    );
    assert_eq!(
        settings.resource.schema_url(),
        Some(crate::resource::SCHEMA_URL)
    );
}

#[test]
fn service_name_given_several_ways_follows_the_precedence() {
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attribute,k=v");
    let name = ("OTEL_SERVICE_NAME", " variable ");
    for (service, vars, expected) in [
        (None, vec![attributes], "attribute"),
        (None, vec![attributes, name], "variable"),
        (None, vec![name], "variable"),
        (Some("code"), vec![attributes, name], "code"),
    ] {
        let code = Overrides {
            service_name: service.map(str::to_owned),
            ..nothing()
        };
        let (settings, diagnostics) = resolve(code, &Env::of(vars)).expect("code is right");
        assert_eq!(get(&settings, "service.name").as_deref(), Some(expected));
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
    }
}

#[test]
fn resource_attributes_given_percent_encoding_are_decoded() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("a=1", &[("a", "1")]),
        (" a = 1 , b = 2 ,", &[("a", "1"), ("b", "2")]),
        ("a=x%2Cy%3Dz,b=%C3%BC", &[("a", "x,y=z"), ("b", "ü")]),
        ("a%2Cb=1", &[("a,b", "1")]),
        ("a=c2VjcmV0==", &[("a", "c2VjcmV0==")]),
        ("a=1,a=2", &[("a", "2")]),
        ("a=", &[("a", "")]),
        ("a=b c+d", &[("a", "b c+d")]),
        ("host.name=mine", &[("host.name", "mine")]),
    ];
    for (text, expected) in rows {
        let env = Env::of([("OTEL_RESOURCE_ATTRIBUTES", *text)]);
        let (settings, diagnostics) = resolve(nothing(), &env).expect("code is right");
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        for (key, value) in *expected {
            let held = settings.resource.get(&(*key).to_owned().into());
            assert_eq!(held, Some(Value::from((*value).to_owned())), "{text}");
        }
    }
}

#[test]
fn resource_attributes_with_one_fault_are_discarded_whole_and_reported() {
    for text in [
        "good=1,bad",
        "good=1,=2",
        "good=1,b=%zz",
        "good=1,b=%",
        "good=1,b=%ff",
        "good=1,%=x",
    ] {
        let env = Env::of([("OTEL_RESOURCE_ATTRIBUTES", text)]);
        let (settings, diagnostics) = resolve(nothing(), &env).expect("code is right");
        assert_eq!(get(&settings, "good"), None, "{text}");
        let [diagnostic] = diagnostics.as_slice() else {
            panic!("{diagnostics:?}");
        };
        assert_eq!(diagnostic.name, "OTEL_RESOURCE_ATTRIBUTES");
        assert_eq!(diagnostic.content, text);
        assert!(diagnostic.advice.contains("discarded"), "{diagnostic}");
    }
    let (settings, diagnostics) = resolved(
        nothing(),
        &[("OTEL_RESOURCE_ATTRIBUTES", "service.name=,k=v")],
    );
    assert_eq!(get(&settings, "k").as_deref(), Some("v"));
    let name = get(&settings, "service.name").unwrap_or_default();
    assert!(name.starts_with("unknown_service:"), "{name}");
    assert_eq!(diagnostics.len(), 1);
}

#[test]
fn resource_in_code_wins_over_environment_and_detectors() {
    let given = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("a", "object"),
            KeyValue::new("b", "object"),
            KeyValue::new("os.type", "object"),
            KeyValue::new("service.name", "object"),
        ])
        .build();
    let code = Overrides {
        service_name: Some("shop".to_owned()),
        service_version: Some("1.2.3".to_owned()),
        environment: Some("staging".to_owned()),
        resource: Some(given),
        resource_attributes: vec![KeyValue::new("b", "attribute"), KeyValue::new("n", 7)],
        ..nothing()
    };
    let (settings, _) = resolved(
        code,
        &[(
            "OTEL_RESOURCE_ATTRIBUTES",
            "a=env,b=env,c=env,deployment.environment.name=env,service.version=env",
        )],
    );
    for (key, value) in [
        ("a", "object"),
        ("b", "attribute"),
        ("c", "env"),
        ("os.type", "object"),
        ("service.name", "shop"),
        ("service.version", "1.2.3"),
        ("deployment.environment.name", "staging"),
    ] {
        assert_eq!(get(&settings, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(settings.resource.get(&"n".into()), Some(Value::I64(7)));
    assert_eq!(
        settings.resource.schema_url(),
        Some(crate::resource::SCHEMA_URL)
    );
}

#[test]
fn resource_in_code_that_read_the_environment_itself_does_not_undo_our_reading() {
    // What `Resource::builder()` would hold with these variables.
    let given = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "unknown_service:shop"),
            KeyValue::new("a", "x%2Cy"),
            KeyValue::new("bad", "%zz"),
            KeyValue::new("code", "mine"),
        ])
        .build();
    let code = || Overrides {
        resource: Some(given.clone()),
        ..nothing()
    };
    let (settings, _) = resolved(
        code(),
        &[
            ("OTEL_RESOURCE_ATTRIBUTES", "a=x%2Cy"),
            ("OTEL_SERVICE_NAME", "named"),
        ],
    );
    assert_eq!(get(&settings, "service.name").as_deref(), Some("named"));
    assert_eq!(get(&settings, "a").as_deref(), Some("x,y"));
    assert_eq!(get(&settings, "code").as_deref(), Some("mine"));
    let (settings, diagnostics) = resolved(
        code(),
        &[("OTEL_RESOURCE_ATTRIBUTES", "a=x%2Cy, bad = %zz")],
    );
    assert_eq!((get(&settings, "a"), get(&settings, "bad")), (None, None));
    assert_eq!(diagnostics.len(), 1);
}

#[test]
fn resource_in_code_with_another_schema_leaves_none() {
    let given = Resource::builder_empty()
        .with_schema_url([KeyValue::new("a", 1)], "https://example.com/schema/1")
        .build();
    let code = Overrides {
        resource: Some(given),
        ..nothing()
    };
    assert_eq!(resolved(code, &[]).0.resource.schema_url(), None);
}

#[test]
fn resource_in_code_with_empty_texts_is_refused() {
    let empty = || Some("  ".to_owned());
    let code = Overrides {
        service_name: empty(),
        ..nothing()
    };
    check_refused("service", code, "not empty");
    let code = Overrides {
        service_version: empty(),
        ..nothing()
    };
    check_refused("version", code, "not empty");
    let code = Overrides {
        environment: empty(),
        ..nothing()
    };
    check_refused("environment", code, "not empty");
    let code = Overrides {
        resource_attributes: vec![KeyValue::new("", 1)],
        ..nothing()
    };
    check_refused("resource", code, "not empty");
}
