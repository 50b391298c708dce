//! `OTEL_EXPORTER_OTLP_*` without its secrets.

use std::path::Path;
use std::time::Duration;

use super::*;

const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
#[cfg(feature = "otlp-grpc")]
const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");

fn endpoint(settings: &Settings) -> String {
    settings.otlp.endpoint.clone()
}

#[test]
fn http_endpoint_given_base_or_signal_url_is_where_requests_go() {
    check(
        endpoint,
        &[
            (&[], "http://localhost:4318/v1/traces", &[]),
            (&[(BASE, "http://c:4318")], "http://c:4318/v1/traces", &[]),
            (&[(BASE, "http://c:4318/")], "http://c:4318/v1/traces", &[]),
            (&[(BASE, "HTTP://c/otlp")], "http://c/otlp/v1/traces", &[]),
            (
                &[(BASE, "http://c/otlp///")],
                "http://c/otlp/v1/traces",
                &[],
            ),
            (
                &[(BASE, "http://[::1]:4318")],
                "http://[::1]:4318/v1/traces",
                &[],
            ),
            (
                &[(BASE, "http://c/v1/traces")],
                "http://c/v1/traces/v1/traces",
                &[BASE],
            ),
            (&[(TRACES, "http://c:1/x/")], "http://c:1/x/", &[]),
            (&[(TRACES, "http://c:1")], "http://c:1/", &[]),
            (
                &[(TRACES, "http://c:1"), (BASE, "http://d")],
                "http://c:1/",
                &[],
            ),
            (
                &[(TRACES, "c:1"), (BASE, "http://d")],
                "http://d/v1/traces",
                &[TRACES],
            ),
        ],
    );
    let (settings, _) = resolved(nothing(), &[(BASE, "http://c/otlp?key=value")]);
    assert_eq!(endpoint(&settings), "http://c/otlp/v1/traces?key=value");
}

#[test]
fn http_endpoint_given_no_url_is_reported_and_the_default_holds() {
    for text in [
        "localhost:4318",
        "c",
        "ftp://c",
        "unix:///run/otel.sock",
        "http://",
        "http://:4318",
        "http://c:0",
        "http://c:65536",
        "http://c:port",
        "http://c:+80",
        "http://c:",
        "http://[::1",
        "http://[::g]:1",
        "http://[::1]1",
        "http://::1:4318",
        "http://a b",
        "http://bücher.example",
        "http://c/ü",
        "http://c/a b",
        "http://c/%zz",
        "http://c/#part",
    ] {
        for name in [BASE, TRACES] {
            let (settings, diagnostics) =
                resolve(nothing(), &Env::of([(name, text)])).expect("code is right");
            assert_eq!(endpoint(&settings), "http://localhost:4318/v1/traces");
            let [diagnostic] = diagnostics.as_slice() else {
                panic!("{text}: {diagnostics:?}");
            };
            assert_eq!(
                (diagnostic.name.as_str(), diagnostic.content.as_str()),
                (name, text)
            );
        }
        let code = Overrides {
            endpoints: Some(vec![text.to_owned()]),
            ..nothing()
        };
        check_refused("endpoint", code, "");
    }
}

#[test]
fn http_endpoint_that_is_accepted_is_a_uri_for_the_transport_too() {
    let parts = [
        "http://", "a", ":", "1", "/", "%41", "?", "=", "[::1]", "~", "'", ";", ".", "-", "_",
    ];
    let mut seed = 7_u64;
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut text = "http://".to_owned();
        for _ in 0..seed % 7 {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            text.push_str(parts[(seed >> 33) as usize % parts.len()]);
        }
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        seed = (seed >> 20) ^ seed;
        if let Ok(endpoint) = super::super::endpoint::Endpoint::parse(&text, None) {
            accepted += 1;
            let url = endpoint.with_traces_path().to_url();
            let uri: http::Uri = url.parse().unwrap_or_else(|e| panic!("{url}: {e}"));
            assert!(uri.host().is_some_and(|host| !host.is_empty()), "{url}");
        }
    }
    assert!(accepted > 500, "{accepted}");
}

#[test]
fn http_endpoint_in_code_is_a_base_unless_it_ends_with_the_path() {
    for (text, expected) in [
        ("http://c:4318", "http://c:4318/v1/traces"),
        (" http://c:4318/ ", "http://c:4318/v1/traces"),
        ("http://c/otlp/", "http://c/otlp/v1/traces"),
        ("http://c/v1/traces", "http://c/v1/traces"),
        ("http://c/otlp/v1/traces", "http://c/otlp/v1/traces"),
        ("http://c/v1/traces/", "http://c/v1/traces/"),
        ("http://c/v1/traces?a=b", "http://c/v1/traces?a=b"),
    ] {
        let code = Overrides {
            endpoints: Some(vec![text.to_owned()]),
            ..nothing()
        };
        let (settings, diagnostics) = resolved(code, &[(TRACES, "nonsense"), (BASE, "http://d")]);
        assert_eq!(endpoint(&settings), expected);
        assert_eq!(diagnostics, []);
    }
}

#[cfg(feature = "otlp-grpc")]
#[test]
fn grpc_endpoint_given_any_form_is_scheme_and_authority() {
    const INSECURE: (&str, &str) = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
    check(
        endpoint,
        &[
            (&[GRPC], "http://localhost:4317", &[]),
            (&[GRPC, (BASE, "http://c:4317")], "http://c:4317", &[]),
            (&[GRPC, (BASE, "http://c:4317/")], "http://c:4317", &[]),
            (&[GRPC, (BASE, "c:4317"), INSECURE], "http://c:4317", &[]),
            (
                &[GRPC, (BASE, "http://c:4318/v1/traces")],
                "http://c:4318",
                &[BASE],
            ),
            (&[GRPC, (TRACES, "http://c:1/x")], "http://c:1", &[TRACES]),
            (
                &[GRPC, (BASE, "unix:///run/x")],
                "http://localhost:4317",
                &[BASE],
            ),
            (
                &[GRPC, (BASE, "c:x"), INSECURE],
                "http://localhost:4317",
                &[BASE],
            ),
        ],
    );
    for (vars, expected) in [
        (&[GRPC, (BASE, "c:4317")] as Vars, "https://c:4317"),
        (
            &[
                GRPC,
                (BASE, "c:4317"),
                INSECURE,
                ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "false"),
            ],
            "https://c:4317",
        ),
        (
            &[
                GRPC,
                (BASE, "c:4317"),
                INSECURE,
                ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "0"),
            ],
            "https://c:4317",
        ),
        (
            &[GRPC, (BASE, "https://c:4317"), INSECURE],
            "https://c:4317",
        ),
    ] {
        assert_eq!(endpoint(&resolved(nothing(), vars).0), expected, "{vars:?}");
    }
    let code = Overrides {
        protocol: Some(Protocol::Grpc),
        endpoints: Some(vec!["http://c:4317/path".to_owned()]),
        ..nothing()
    };
    let (settings, diagnostics) = resolved(code, &[]);
    assert_eq!(endpoint(&settings), "http://c:4317");
    assert_eq!(diagnostics[0].name, "endpoint");
}

#[test]
fn endpoints_given_in_code_differ_in_their_address_alone() {
    let code = Overrides {
        endpoints: Some(vec!["http://a:4318".into(), "http://b/v1/traces".into()]),
        headers: vec![("x-tenant".into(), "blue".into())],
        ..nothing()
    };
    let (settings, diagnostics) = resolved(code, &[(BASE, "http://elsewhere")]);
    assert_eq!(diagnostics, []);
    assert_eq!(endpoint(&settings), "http://a:4318/v1/traces");
    let second = OtlpSettings {
        endpoint: "http://b/v1/traces".into(),
        ..settings.otlp.clone()
    };
    assert_eq!(settings.equal_otlp, [second]);

    let none = Overrides {
        endpoints: Some(Vec::new()),
        ..nothing()
    };
    check_refused("endpoints", none, "");
}

#[test]
fn https_endpoint_is_kept_and_a_build_without_tls_says_so() {
    let (settings, diagnostics) = resolved(nothing(), &[(BASE, "https://c")]);
    assert_eq!(endpoint(&settings), "https://c/v1/traces");
    let code = Overrides {
        endpoints: Some(vec!["https://c".to_owned()]),
        ..nothing()
    };
    if cfg!(feature = "tls-no-provider") {
        assert_eq!(diagnostics, []);
        assert_eq!(endpoint(&resolved(code, &[]).0), "https://c/v1/traces");
    } else {
        assert!(diagnostics[0].advice.contains("`tls`"), "{diagnostics:?}");
        assert!(matches!(
            refused(code, &[]),
            InitError::FeatureMissing {
                argument: "endpoint",
                feature: "tls"
            }
        ));
    }
}

#[test]
fn protocol_given_any_text_is_one_that_is_compiled_in() {
    const NAME: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
    const OURS: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
    let protocol: fn(&Settings) -> String = |settings| settings.otlp.protocol.as_str().to_owned();
    check(
        protocol,
        &[
            (&[], "http/protobuf", &[]),
            (&[(NAME, "http/protobuf")], "http/protobuf", &[]),
            (&[(NAME, "HTTP/Protobuf")], "http/protobuf", &[]),
            (&[(NAME, "http")], "http/protobuf", &[NAME]),
            (
                &[(OURS, "udp"), (NAME, "tcp")],
                "http/protobuf",
                &[OURS, NAME],
            ),
        ],
    );
    if cfg!(feature = "otlp-grpc") {
        check(
            protocol,
            &[
                (&[(NAME, "grpc")], "grpc", &[]),
                (
                    &[(OURS, "http/protobuf"), (NAME, "grpc")],
                    "http/protobuf",
                    &[],
                ),
            ],
        );
    } else {
        check(protocol, &[(&[(NAME, "grpc")], "http/protobuf", &[NAME])]);
        check_missing(Protocol::Grpc, "otlp-grpc");
    }
    if cfg!(feature = "otlp-json") {
        check(protocol, &[(&[(NAME, "http/json")], "http/json", &[])]);
    } else {
        check(
            protocol,
            &[(&[(NAME, "http/json")], "http/protobuf", &[NAME])],
        );
        check_missing(Protocol::HttpJson, "otlp-json");
    }
}

fn check_missing(protocol: Protocol, expected: &str) {
    let code = Overrides {
        protocol: Some(protocol),
        ..nothing()
    };
    match refused(code, &[]) {
        InitError::FeatureMissing { feature, .. } => assert_eq!(feature, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn compression_given_any_text_is_one_that_is_compiled_in() {
    const NAME: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";
    const OURS: &str = "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION";
    let compression: fn(&Settings) -> String = |s| s.otlp.compression.as_str().to_owned();
    check(
        compression,
        &[
            (&[], "none", &[]),
            (&[(NAME, "none")], "none", &[]),
            (&[(NAME, "brotli")], "none", &[NAME]),
            (&[(OURS, "none"), (NAME, "nonsense")], "none", &[]),
        ],
    );
    for (name, compiled, value) in [
        ("gzip", cfg!(feature = "gzip"), Compression::Gzip),
        ("zstd", cfg!(feature = "zstd"), Compression::Zstd),
    ] {
        let (settings, diagnostics) =
            resolve(nothing(), &Env::of([(NAME, name)])).expect("code is right");
        let code = Overrides {
            compression: Some(value),
            ..nothing()
        };
        if compiled {
            assert_eq!(settings.otlp.compression, value);
            assert!(diagnostics.is_empty());
            let (settings, _) = resolved(code, &[(NAME, "none")]);
            assert_eq!(settings.otlp.compression, value);
        } else {
            assert_eq!(settings.otlp.compression, Compression::None);
            assert!(diagnostics.as_slice()[0].advice.contains(name));
            assert!(matches!(
                refused(code, &[]),
                InitError::FeatureMissing { argument: "compression", feature } if feature == name
            ));
        }
    }
}

#[test]
fn timeout_given_any_text_holds_what_the_report_says() {
    const NAME: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
    const OURS: &str = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT";
    check(
        |settings| settings.otlp.timeout.as_millis().to_string(),
        &[
            (&[], "10000", &[]),
            (&[(NAME, "250")], "250", &[]),
            (&[(NAME, "250"), (OURS, "300")], "300", &[]),
            (&[(NAME, "250"), (OURS, "fast")], "250", &[OURS]),
            (&[(NAME, "0")], "86400000", &[NAME]),
            (&[(NAME, "18446744073709551615")], "86400000", &[NAME]),
            (&[(NAME, "-1")], "10000", &[NAME]),
            (&[(NAME, "10s")], "10000", &[NAME]),
        ],
    );
    let code = Overrides {
        timeout: Some(Duration::from_millis(5)),
        ..nothing()
    };
    let (settings, diagnostics) = resolved(code, &[(NAME, "x")]);
    assert_eq!(settings.otlp.timeout, Duration::from_millis(5));
    assert_eq!(diagnostics, []);
}

#[test]
fn certificates_given_in_variables_are_carried_through_or_reported() {
    let vars: Vars = &[
        (BASE, "https://c"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "traces-ca.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "chain.pem"),
    ];
    let (settings, diagnostics) = resolved(nothing(), vars);
    let tls = &settings.otlp.tls;
    assert_eq!(tls.ca_file.as_deref(), Some(Path::new("traces-ca.pem")));
    assert_eq!(tls.client_key_file.as_deref(), Some(Path::new("key.pem")));
    assert_eq!(
        tls.client_certificate_file.as_deref(),
        Some(Path::new("chain.pem"))
    );
    assert_eq!(diagnostics.is_empty(), cfg!(feature = "tls-no-provider"));

    let (_, diagnostics) = resolved(nothing(), &[("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem")]);
    assert_eq!(diagnostics.len(), 1);
}

#[cfg(feature = "tls-no-provider")]
#[test]
fn client_certificate_without_key_is_reported_or_refused() {
    const NAME: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
    let (settings, diagnostics) = resolved(nothing(), &[(BASE, "https://c"), (NAME, "chain.pem")]);
    assert!(settings.otlp.tls.client_certificate_file.is_some());
    assert_eq!((diagnostics.len(), diagnostics[0].name.as_str()), (1, NAME));

    let half = || Overrides {
        endpoints: Some(vec!["https://c".to_owned()]),
        tls: TlsSettings {
            client_certificate_file: Some("chain.pem".into()),
            ..TlsSettings::default()
        },
        ..nothing()
    };
    check_refused("tls", half(), "both");
    let (settings, diagnostics) = resolved(half(), &[("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem")]);
    assert!(settings.otlp.tls.client_key_file.is_some());
    assert_eq!(diagnostics, []);
}

#[test]
fn faults_of_otlp_variables_without_an_otlp_exporter_are_not_reported() {
    let (settings, diagnostics) = resolved(
        nothing(),
        &[("OTEL_TRACES_EXPORTER", "console"), (BASE, "nonsense")],
    );
    assert_eq!(settings.exporters, [ExporterKind::Stdout]);
    assert_eq!(diagnostics, []);
}
