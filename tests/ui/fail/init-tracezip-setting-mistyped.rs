use otel_enhance::{InitError, TelemetryGuard, init};

fn start() -> Result<TelemetryGuard, InitError> {
    let guard = init!(tracezip(fleetkey = env("FLEET_KEY")))?;
    let _ = guard.diagnostics();
    Ok(guard)
}

fn main() {
    let _ = start();
}
