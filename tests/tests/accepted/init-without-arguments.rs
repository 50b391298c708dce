use otel_enhance::init;

fn start() -> Result<otel_enhance::TelemetryGuard, otel_enhance::InitError> {
    init!()
}

pub(crate) fn main() {
    let guard = start().unwrap();
    guard.shutdown().unwrap();
}
