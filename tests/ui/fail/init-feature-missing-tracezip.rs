use otel_enhance::{InitError, TelemetryGuard, init};

fn start() -> Result<TelemetryGuard, InitError> {
    let guard = init!(service = "checkout", tracezip)?;
    let _ = guard.diagnostics();
    Ok(guard)
}

fn main() {
    let _ = start();
}
