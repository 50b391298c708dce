use otel_enhance::{InitError, TelemetryGuard, init};

fn start() -> Result<TelemetryGuard, InitError> {
    let guard = init!(tracezip(fleet_key = "00112233"))?;
    let _ = guard.diagnostics();
    Ok(guard)
}

fn main() {
    let _ = start();
}
