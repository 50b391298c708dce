use otel_enhance::init;

pub(crate) fn main() {
    let guard = init!(tracezip).unwrap();
    assert_eq!(guard.tracezip().unwrap().stats().frames, 0);
    guard.shutdown().unwrap();
    let key = || "00112233445566778899aabbccddeeff".repeat(2);
    let guard = init!(
        exporter = otlp_grpc,
        tracezip(endpoint = "http://localhost:4317", fleet_key = key()),
    )
    .unwrap();
    assert!(guard.diagnostics().is_empty());
    guard.shutdown().unwrap();
    let guard = init!(
        tracezip(fleet_key = env("OTEL_ENHANCE_TEST_NO_SUCH_VARIABLE")),
        error_handler = |_| {},
    )
    .unwrap();
    assert_eq!(guard.diagnostics().iter().count(), 1);
    guard.shutdown().unwrap();
}
