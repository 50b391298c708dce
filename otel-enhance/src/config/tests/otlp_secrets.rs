//! Headers and credentials: checked, merged, and never repeated.

use super::*;

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const OURS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";

fn headers(settings: &Settings) -> Vec<(&str, &str)> {
    let headers = settings.otlp.headers.iter();
    headers.map(|(n, v)| (n.as_str(), v.as_str())).collect()
}

fn code(pairs: &[(&str, &str)]) -> Overrides {
    let pairs = pairs.iter();
    Overrides {
        headers: pairs.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        ..nothing()
    }
}

#[test]
fn headers_given_a_list_are_decoded_and_lower_case() {
    let rows: &[(Vars, &[(&str, &str)])] = &[
        (&[], &[]),
        (&[(HEADERS, "X-Key=abc")], &[("x-key", "abc")]),
        (&[(HEADERS, " a = 1 , b=2,")], &[("a", "1"), ("b", "2")]),
        (
            &[(HEADERS, "authorization=Basic%20dXNlcjpwYXNz%3D%3D")],
            &[("authorization", "Basic dXNlcjpwYXNz==")],
        ),
        (
            &[(HEADERS, "authorization=Bearer a.b=")],
            &[("authorization", "Bearer a.b=")],
        ),
        (&[(HEADERS, "a=1,A=2")], &[("a", "2")]),
        (&[(HEADERS, "a=x%2Cy")], &[("a", "x,y")]),
        (&[(HEADERS, "a=")], &[("a", "")]),
        (&[(HEADERS, "a=1,b=2"), (OURS, "a=3")], &[("a", "3")]),
    ];
    for (vars, expected) in rows {
        let (settings, diagnostics) = resolved(nothing(), vars);
        assert_eq!(headers(&settings), *expected, "{vars:?}");
        assert_eq!(diagnostics, [], "{vars:?}");
    }
}

#[test]
fn headers_with_faults_are_left_out_one_by_one_and_masked() {
    for bad in [
        "s3cret",
        "=s3cret",
        "a b=s3cret",
        "ä=s3cret",
        "x=s3cret%",
        "x=s3cret%ff",
        "x=s3cret%0d%0aset: y",
        "x=s3cret%00",
        "x=s3cretü",
        "content-type=s3cret",
        "Content-Encoding=s3cret",
        "grpc-timeout=s3cret",
    ] {
        let list = format!("good=1,{bad},better=2");
        let (settings, diagnostics) =
            resolve(nothing(), &Env::of([(HEADERS, list)])).expect("code is right");
        assert_eq!(
            headers(&settings),
            [("good", "1"), ("better", "2")],
            "{bad}"
        );
        let [diagnostic] = diagnostics.as_slice() else {
            panic!("{bad}: {diagnostics:?}");
        };
        assert_eq!(diagnostic.name, HEADERS);
        assert!(!diagnostic.to_string().contains("s3cret"), "{diagnostic}");
        assert!(diagnostic.advice.ends_with("left out"), "{diagnostic}");
    }
}

#[test]
fn headers_in_code_win_header_by_header() {
    let overrides = code(&[("A", " 9 "), ("c", "3"), ("c", "4")]);
    let (settings, diagnostics) = resolved(overrides, &[(HEADERS, "a=1,b=2")]);
    assert_eq!(headers(&settings), [("a", "9"), ("b", "2"), ("c", "4")]);
    assert_eq!(diagnostics, []);
}

#[test]
fn headers_in_code_with_faults_are_refused_and_masked() {
    for (name, value) in [
        ("a b", "s3cret"),
        ("", "s3cret"),
        ("a", "s3cret\n"),
        ("a", "s3\ncret"),
        ("a", "s3cretü"),
        ("content-length", "s3cret"),
    ] {
        // White space around a value is trimmed, as the transport would.
        if value.ends_with('\n') {
            assert_eq!(
                headers(&resolved(code(&[(name, value)]), &[]).0),
                [("a", "s3cret")]
            );
            continue;
        }
        let error = refused(code(&[(name, value)]), &[]).to_string();
        assert!(error.contains("headers"), "{error}");
        assert!(!error.contains("s3"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn headers_that_are_not_unicode_are_reported_without_their_content() {
    use std::os::unix::ffi::OsStringExt as _;

    let raw = std::ffi::OsString::from_vec(b"a=s3cret\xff".to_vec());
    let (settings, diagnostics) =
        resolve(nothing(), &Env::of([(HEADERS, raw)])).expect("code is right");
    assert_eq!(headers(&settings), []);
    assert_eq!(diagnostics.as_slice()[0].content, "***");
}

#[test]
fn credentials_in_an_endpoint_are_left_out_masked_and_refused_in_code() {
    const NAME: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let vars: Vars = &[(NAME, "http://user:s3cret@c:4318/x?token=s3cret")];
    let (settings, diagnostics) = resolved(nothing(), vars);
    assert_eq!(
        settings.otlp.endpoint,
        "http://c:4318/x/v1/traces?token=s3cret"
    );
    assert_eq!(diagnostics.len(), 1);
    assert!(!diagnostics[0].to_string().contains("s3cret"));
    let overrides = Overrides {
        endpoints: Some(vec!["http://user:s3cret@c".to_owned()]),
        ..nothing()
    };
    let error = refused(overrides, &[]).to_string();
    assert!(!error.contains("s3cret"), "{error}");
    // A password with a separator of URLs in it leaks neither.
    for text in [
        "http://u:s3cret/x@c",
        "http://u:s3cret?@c",
        "u:s3cret@c",
        "http://u:s3c@ret@c",
    ] {
        let env = Env::of([(NAME, text)]);
        let (_, diagnostics) = resolve(nothing(), &env).expect("code is right");
        let shown = format!("{diagnostics:?}");
        assert!(!shown.contains("s3c"), "{shown}");
    }
}

#[test]
fn debug_of_settings_and_overrides_masks_header_values() {
    let overrides = || code(&[("authorization", "s3cret")]);
    assert!(!format!("{:?}", overrides()).contains("s3cret"));
    let (settings, _) = resolved(overrides(), &[]);
    let shown = format!("{settings:?}");
    assert!(
        shown.contains("authorization") && !shown.contains("s3cret"),
        "{shown}"
    );
}
