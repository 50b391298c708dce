//! What is said of configurations that are wrong.

use super::*;

fn refused(text: &str) -> ConfigError {
    match Config::from_yaml(text) {
        Ok(config) => panic!("{text:?} is accepted as {config:?}"),
        Err(error) => error,
    }
}

#[test]
fn nothing_at_all_gives_the_defaults() {
    for text in ["", "\n", "# a comment\n\n  # another", "---\n", "{}"] {
        assert_eq!(Config::from_yaml(text), Ok(Config::default()), "{text:?}");
    }
}

#[test]
fn errors_name_line_and_field_and_what_would_be_right() {
    for (text, line, field, hint) in [
        (
            "receivers:\n  http: 4318\n",
            2,
            "receivers.http",
            "HOST:PORT",
        ),
        (
            "receivers:\n  htp: x\n",
            2,
            "receivers",
            "expected one of http, grpc",
        ),
        (
            "receivers: { http: off, grpc: off }\n",
            1,
            "receivers",
            "leave one of them on",
        ),
        (
            "limits:\n  memory: 1\n  requests: 0\n",
            3,
            "limits.requests",
            "at least 1",
        ),
        ("limits:\n\n  memory: lots\n", 3, "limits.memory", "16MiB"),
        (
            "shutdown: { deadline: 10 }\n",
            1,
            "shutdown.deadline",
            "10s",
        ),
        (
            "outputs:\n- otlp:\n    endpoint: host:4318\n",
            3,
            "outputs[0].otlp",
            "http://HOST:PORT",
        ),
        ("outputs:\n- otlq: {}\n", 2, "outputs[0]", "otlp"),
        (
            "outputs:\n- otlp:\n    endpoint: http://a\n    tls: {}\n",
            3,
            "outputs[0].otlp",
            "https://",
        ),
        (
            "outputs:\n- file: { path: a }\n- otlp:\n    endpoint: http://a\n    headers: { te: b }\n",
            4,
            "outputs[1].otlp",
            "set by the gateway itself",
        ),
        (
            "outputs:\n- otlp: { endpoint: 'grpc://a', headers: { Connection: close } }\n",
            2,
            "outputs[0].otlp",
            "set by the gateway itself",
        ),
        (
            "outputs:\n- tracezip: { endpoint: http://a, tenant_header: content-encoding }\n",
            2,
            "outputs[0].tracezip",
            "set by the gateway itself",
        ),
        (
            "auth:\n  tokens:\n  - { tenant: a }\n",
            3,
            "auth.tokens[0]",
            "`token_file`",
        ),
        (
            "receivers:\n  tls: { cert_file: /none, key_file: /none }\n",
            2,
            "receivers.tls.cert_file",
            "cannot read `/none`",
        ),
        ("log: { level: loud }\n", 1, "log.level", "info"),
        (
            "receivers:\n  http: ${env:OTEL_ENHANCE_NONE}\n",
            2,
            "receivers.http",
            "OTEL_ENHANCE_NONE",
        ),
        ("limits: [\n", 1, "", ""),
        ("limits: 5\n", 1, "limits", ""),
    ] {
        let error = refused(text);
        let said = error.to_string();
        assert_eq!(error.line, Some(line), "{text}{said}");
        assert!(error.field.starts_with(field), "{text}{said}");
        assert!(said.contains(hint), "{text}{said}");
    }
}

#[test]
fn what_does_not_go_together_names_line_and_field() {
    for (text, line, field, hint) in [
        (
            "receivers: { grpc: 127.0.0.1:4318 }\n",
            Some(1),
            "receivers.grpc",
            "receivers.http is 127.0.0.1:4318 too",
        ),
        (
            "receivers:\n  http: 127.0.0.1:13133\n",
            None,
            "admin.address",
            "receivers.http is",
        ),
        (
            "limits:\n  memory: 8MiB\n",
            Some(2),
            "limits.memory",
            "receivers.max_body",
        ),
        ("threads: 100000\n", Some(1), "threads", "at most"),
        ("auth:\n  tokens: []\n", Some(2), "auth.tokens", "nobody"),
        (
            "auth:\n  tokens:\n  - { token: a, tenant: x }\n  - { token: a, tenant: y }\n",
            Some(4),
            "auth.tokens[1]",
            "whose",
        ),
        (
            "outputs:\n- file: { path: a }\n- file: { path: a }\n",
            Some(3),
            "outputs[1].file.path",
            "another output",
        ),
        (
            "outputs:\n- kafka: { brokers: [] }\n",
            Some(2),
            "outputs[0].kafka.brokers",
            "name some",
        ),
        (
            "outputs:\n- otlp: { endpoint: 'http://localhost:4318' }\n",
            Some(2),
            "outputs[0].otlp.endpoint",
            "is this gateway itself",
        ),
        (
            "receivers: { grpc: 0.0.0.0:9 }\noutputs:\n- tracezip: { endpoint: 'grpc://[::1]:9' }\n",
            Some(3),
            "outputs[0].tracezip.endpoint",
            "is this gateway itself",
        ),
        (
            "outputs:\n- otlp:\n    endpoint: http://a\n- otlp:\n    endpoint: http://localhost:4318\n",
            Some(5),
            "outputs[1].otlp.endpoint",
            "is this gateway itself",
        ),
        (
            "# memory: what there is\nreceivers: { max_body: 1GiB }\nlimits:\n  memory: 1MiB\n",
            Some(4),
            "limits.memory",
            "receivers.max_body",
        ),
        (
            "outputs:\n- otlp: { endpoint: http://a, timeout: 0s }\n",
            Some(2),
            "outputs[0].otlp.timeout",
            "more than 0",
        ),
        (
            "receivers: { read_timeout: 0s }\n",
            Some(1),
            "receivers.read_timeout",
            "more than 0",
        ),
    ] {
        let error = refused(text);
        let said = error.to_string();
        assert_eq!((error.line, &*error.field), (line, field), "{text}{said}");
        assert!(said.contains(hint), "{text}{said}");
    }
}

#[test]
fn endpoints_elsewhere_are_no_contradiction() {
    for text in [
        "receivers: { http: 127.0.0.1:4319 }\noutputs:\n- otlp: { endpoint: 'http://localhost:4318' }\n",
        "outputs:\n- otlp: { endpoint: 'http://collector:4318' }\n",
        "outputs:\n- otlp: { endpoint: http://localhost }\n",
        "receivers: { http: 10.0.0.1:4318 }\noutputs:\n- otlp: { endpoint: 'http://localhost:4318' }\n",
    ] {
        assert!(Config::from_yaml(text).is_ok(), "{text}");
    }
}

#[test]
fn errors_of_the_yaml_library_are_in_plain_words() {
    for (text, hint) in [
        ("outputs: otlp\n", "a list is expected"),
        ("admin: off\n", "fields are expected"),
        (
            "outputs:\n- otlp:\n    endpoint: http://a\n  file:\n    path: b\n",
            "begin another one",
        ),
        ("limits: {}\nlimits: {}\n", "`limits` is given twice"),
        ("limits: {}\n---\nlimits: {}\n", "more than one document"),
        ("outputs:\n- {}\n", "an entry has a kind"),
        ("limits: { memory: null }\n", "there is no value"),
        (
            "outputs: [{ otlp: { endpoint: ${env:X} } }]\n",
            "put quotes around",
        ),
        (
            "auth: { tokens: [{ token: ${env:X}, tenant: a }] }\n",
            "put quotes around",
        ),
    ] {
        let said = refused(text).to_string();
        assert!(said.contains(hint), "{text}{said}");
        assert!(!said.contains('?'), "{said}");
    }
}

#[test]
fn errors_do_not_show_secrets() {
    for text in [
        "auth: { tokens: [{ token: s3cret, tenantt: x }] }\n",
        "auth:\n  tokens:\n  - token: s3cret\n    tenantt: x\n",
        "outputs:\n- kafka:\n    brokers: []\n    sasl: { username: a, password: s3cret, more: b }\n",
        "outputs:\n- otlp:\n    endpoint: http://me:s3cret@a\n",
        "outputs:\n- otlp:\n    endpoint: htp://me:s3cret@a\n",
        "outputs:\n- otlp:\n    endpoint: me:s3cret@a\n",
        "outputs:\n- otlp:\n    endpoint: grpc://me:s3cret@a/b\n",
        "auth:\n  tokens:\n  - s3cret\n",
        "auth:\n  tokens:\n  - { tenant: x, token:\n    [s3cret] }\n",
        "outputs:\n- kafka:\n    brokers: [\"a:1\"]\n    sasl: s3cret\n",
        "outputs:\n- kafka:\n    sasl:\n      username: a\n      password:\n      - s3cret\n",
        "outputs:\n- otlp:\n    headers:\n      X-Key: a\n     X-Other: s3cret\n",
        "auth:\n  tokens:\n  - token: a\n    tenant: [\n  s3cret: }\n",
        "outputs:\n- otlp:\n    endpoint: http://a\n    headers:\n      X-Key: s3cret\n    tiemout: 1s\n",
        "outputs:\n- otlp:\n    endpoint: http://a\n    headers:\n      X-Key: s3cret\u{7}\n",
    ] {
        let said = refused(text).to_string();
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_whole_configuration_is_read() {
    let text = "
receivers: { http: '0.0.0.0:4318', grpc: off, max_body: 4MiB }
auth: { tokens: [{ token: abc, tenant: shop }] }
limits: { memory: 64MiB, requests: 16, retry_after: 2s }
outputs:
- otlp:
    endpoint: grpcs://collector.example:4317
    compression: zstd
    headers: { X-Key: '${env:OTEL_ENHANCE_NONE:-k}' }
    timeout: 5s
- tracezip: { endpoint: https://far.example, ask_again: 1m }
- file: { path: spans.pbld, sync: machine }
admin: { address: off }
log: { level: debug, format: json }
threads: 2
";
    let config = Config::from_yaml(text).unwrap();
    assert_eq!(config.receivers.grpc, None);
    assert_eq!(config.limits.requests.0, 16);
    let [super::super::OutputConfig::Otlp(otlp), ..] = &config.outputs[..] else {
        panic!("{config:?}");
    };
    assert_eq!(otlp.headers[0].0, "x-key");
    assert!(otlp.endpoint.grpc && otlp.endpoint.is_encrypted());
    assert!(!format!("{config:?}").contains("abc"), "a token in the log");
}
