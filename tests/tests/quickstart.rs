//! What a newcomer sees.

use std::process::Command;

use otel_enhance_tests::programs::example;

#[test]
fn quickstart_without_arguments_draws_the_traces_of_both_services() {
    let output = Command::new(example("quickstart"))
        .output()
        .expect("the quickstart can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    for expected in [
        "order 1001: 32.50 charged to visa",
        "13 spans",
        "storefront (server)",
        "warehouse (server)",
        "error: the card has expired",
        "return=32.5",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour where no terminal is");
}

#[test]
fn quickstart_with_a_wrong_argument_says_what_is_right() {
    let output = Command::new(example("quickstart"))
        .arg("--endpont")
        .output()
        .expect("the quickstart can be started");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--endpoint URL"));
}

#[test]
fn quickstart_with_tracezip_weighs_what_it_sends() {
    let output = Command::new(example("quickstart"))
        .arg("--tracezip")
        .output()
        .expect("the quickstart can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes = |name: &str| -> f64 {
        let rest = text.split_once(name).map(|(_, rest)| rest.trim_start());
        let number = rest.and_then(|rest| rest.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("no figure for {name} in:\n{text}"))
    };
    assert!(bytes("\n  tracezip ") < bytes("\n  OTLP + zstd "), "{text}");
    assert!(text.contains("restored byte for byte"), "{text}");
}
