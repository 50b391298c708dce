use otel_enhance::{InitError, TelemetryGuard, init};

fn start() -> Result<TelemetryGuard, InitError> {
    let guard = init!(exporter = stdout, tracezip)?;
    let _ = guard.diagnostics();
    Ok(guard)
}

fn main() {
    let _ = start();
}
