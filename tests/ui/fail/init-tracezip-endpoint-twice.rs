use otel_enhance::{InitError, TelemetryGuard, init};

fn start() -> Result<TelemetryGuard, InitError> {
    let guard = init!(endpoint = "http://a:4318", tracezip(endpoint = "http://b:4318"))?;
    let _ = guard.diagnostics();
    Ok(guard)
}

fn main() {
    let _ = start();
}
