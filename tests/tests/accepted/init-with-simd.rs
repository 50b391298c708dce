use otel_enhance::init;

pub(crate) fn main() {
    init!(exporter = none, simd).unwrap().shutdown().unwrap();
    let most = 100;
    let guard = init!(
        exporter = none,
        simd(encode = true, red_metrics = true, red_max_series = most),
    )
    .unwrap();
    assert_eq!(guard.red_metrics().unwrap().series().len(), 0);
    guard.shutdown().unwrap();
    let guard = init!(exporter = stdout, simd(encode = false)).unwrap();
    assert!(guard.red_metrics().is_none());
    guard.shutdown().unwrap();
}
