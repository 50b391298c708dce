use otel_enhance::init;

use otel_enhance::InitError;

pub(crate) fn main() -> Result<(), InitError> {
    let _guard = init!(service = "checkout", exporter = none)?;
    let second = init!(exporter = none);
    assert!(matches!(second, Err(InitError::AlreadyInstalled)));
    Ok(())
}
