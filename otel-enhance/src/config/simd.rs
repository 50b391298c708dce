//! The variable that forces an instruction set, which the kernels read themselves.

use otel_enhance_kernels::{BadLevel, LEVEL_VARIABLE, Level};

use super::Reader;

/// Reports a value that the kernels do not follow.
pub(super) fn diagnose(reader: &mut Reader<'_>) {
    let Some(text) = reader.text(LEVEL_VARIABLE) else {
        return;
    };
    if let Err(fault) = Level::forced() {
        let advice = advice(&fault);
        reader.report(LEVEL_VARIABLE, super::shown(&text), advice);
    }
}

fn advice(fault: &BadLevel) -> String {
    let supported: Vec<String> = Level::supported()
        .map(|level| format!("`{level}`"))
        .collect();
    let why = match fault {
        BadLevel::Unknown { .. } => "no instruction set has this name",
        BadLevel::Unsupported { .. } => "this processor lacks it",
        BadLevel::NotBuilt => "there are no kernels for it",
        _ => "it cannot be used",
    };
    format!(
        "{why}; on this machine expected {}; `{}` holds",
        supported.join(" or "),
        Level::active()
    )
}
